"""A changed pipeline is looked at before the running job is stopped: what does not fit is told, and the job goes on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tandem.catalog import BUNDLED
from tests.environment import Environment

NAME = "orders_payments"


def changed(deployed: Environment, folder: Path, file: str, before: str, after: str) -> Environment:
    """Returns the environment as one sees it whose own pipeline has a change."""
    own = folder / "pipelines"
    shutil.copytree(BUNDLED / NAME, own / NAME, ignore=shutil.ignore_patterns("__pycache__"))
    for source in (own / NAME).glob("*.py"):
        text = source.read_text().replace(f"tandem.pipelines.{NAME}", f"pipelines.{NAME}")
        if source.name == file:
            assert before in text
            text = text.replace(before, after)
        source.write_text(text)
    return replace(deployed, extra=(*deployed.extra, ("TANDEM_PIPELINES_DIR", str(own))))


CHANGES = {
    # Of what the join keeps in its state.
    "state": ("streams.py", '"customer_id": ', '"note": FieldType.STRING,\n"customer_id": '),
    "operators": ("transform.py", "orders.with", 'orders.dropDuplicates(["order_id", "order_date"]).with'),
    "topic": ("streams.py", "orders_topic_data_v1", "orders_topic_data_v2"),
    "mistake": ("transform.py", "orders.withColumnsRenamed", "orders.withColumnRenames"),
    # It would be created, and this user may not.
    "dead letters": ("streams.py", "orders_payments_dead_letter_v1", "orders_payments_dead_letter_v2"),
}


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ("state", 1, "another, incompatible version of the pipeline"),
        ("operators", 1, "another, incompatible version of the pipeline"),
        ("topic", 3, "has no topic orders_topic_data_v2 that the user tandem may see"),
        ("mistake", 1, "/orders_payments/transform.py:"),
        ("dead letters", 3, "has no topic orders_payments_dead_letter_v2 that the user tandem may see"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_job_runs_on(
    deployed: Environment, tmp_path: Path, change: str, code: int, said: str
) -> None:
    before = deployed.status()["job"]["pid_or_id"]
    done = changed(deployed, tmp_path, *CHANGES[change]).tandem("submit", code=code)
    first, error, hint = done.stderr.splitlines()
    assert first.startswith("tandem: profile rehearsal")
    assert said in error, done.stderr
    assert hint.startswith("hint: ")
    status = deployed.status()
    assert (status["ready"], status["job"]["pid_or_id"]) == (True, before)
