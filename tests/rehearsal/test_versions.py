"""A changed pipeline is looked at before the running job is stopped: what does not fit is told, and the job goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import Environment
from tests.rehearsal.versions import assert_refused, changed

pytestmark = pytest.mark.by_name

CHANGES = {
    "operators": ("transform.py", "orders.with", 'orders.dropDuplicates(["order_id", "order_date"]).with'),
    "topic": ("streams.py", "orders_topic_data_v1", "orders_topic_data_v2"),
    "mistake": ("transform.py", "orders.withColumnsRenamed", "orders.withColumnRenames"),
    # It would be created, and this user may not.
    "dead letters": ("streams.py", "orders_payments_dead_letter_v1", "orders_payments_dead_letter_v2"),
}


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ("operators", 1, "an incompatible version of the pipeline"),
        ("topic", 3, "has no topic orders_topic_data_v2 that the user tandem may see"),
        ("mistake", 1, "/orders_payments/transform.py:"),
        ("dead letters", 3, "has no topic orders_payments_dead_letter_v2 that the user tandem may see"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_job_runs_on(
    deployed: Environment, tmp_path: Path, change: str, code: int, said: str
) -> None:
    assert_refused(deployed, changed(deployed, tmp_path, *CHANGES[change]), code, said)
