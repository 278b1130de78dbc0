"""What `tandem status` shows a person."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from tandem.cli.context import CommandContext
from tandem.cli.inspect import status_table
from tandem.engine.run.attention import LATE_AT, REFUSED
from tandem.errors import TandemError
from tandem.job_files import RECONCILE, REPLAY
from tandem.platforms.observe import batch_report, mongo_address, status
from tandem.settings.load import load


def test_one_address_of_mongodb_for_containers_and_processes() -> None:
    for profile in ("embedded", "local"):
        told = mongo_address(load(profile, {"mongo": {"port": 4711}}).mongo)
        assert told == "mongodb://127.0.0.1:4711/?directConnection=true"
    for uri in ("mongodb://a,b/?replicaSet=rs0", "mongodb+srv://atlas.example/"):
        assert mongo_address(load("embedded", {"mongo": {"uri": uri}}).mongo) == uri


def test_the_table_fits_a_terminal_whatever_the_addresses_are() -> None:
    hosts = ",".join(f"shard-{number}.some-cluster.mongodb.example:27017" for number in range(3))
    settings = load("embedded", {"mongo": {"uri": f"mongodb://{hosts}/?tls=true&replicaSet=rs0"}})
    found = status(
        settings,
        state="running",
        driver="a-job-id-" + 12 * "0123456789",
        ready=True,
        newest=None,
        behind=7,
        problem="the job " + 40 * "waits and ",
        dashboard=True,
    )
    assert found["warnings"] == []
    for width in (60, 80):
        out = io.StringIO()
        Console(file=out, width=width).print(status_table({**found, "pipelines": [found]}, CommandContext().told))
        lines = out.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        # Folded, not cut.
        assert "".join(line[22:].strip() for line in lines).count("some-cluster") == 3


def warned(**report: object) -> list[str]:
    newest = {"late_total": 42_000, "batch": 3, "watermark": None, "input_rows_total": 9, **report}
    settings = load("embedded")
    common = {"state": "running", "driver": "1", "ready": True, "behind": 0, "problem": None, "dashboard": True}
    found = status(settings, newest=newest, **common)
    out = io.StringIO()
    Console(file=out, width=1000).print(status_table({**found, "pipelines": [found]}, CommandContext().told))
    # A person reads the same.
    assert all(text in out.getvalue() for text in found["warnings"])
    texts: list[str] = found["warnings"]
    return texts


def test_a_warning_names_the_pipeline_that_it_is_about() -> None:
    others = [{"pipeline": name, "warnings": [f"look at {name}: `tandem destroy`"]} for name in ("a", "b")]

    def shown(context: CommandContext, *pipelines: dict[str, object]) -> str:
        out = io.StringIO()
        Console(file=out, width=1000).print(status_table({**pipelines[0], "pipelines": [*pipelines]}, context.told))
        return out.getvalue()

    for given in (CommandContext(), CommandContext(pipeline="a"), CommandContext(pipeline="a,b")):
        text = shown(given, *others)
        assert all(f"look at {name}: `tandem --pipeline {name} destroy`" in text for name in ("a", "b"))
    # Alone, it is the one that the same command chooses again.
    assert "look at a: `tandem destroy`" in shown(CommandContext(), others[0])


def test_that_records_are_late_is_said_with_what_repairs_it_while_there_are_more() -> None:
    (text,) = warned(**{LATE_AT: int((time.time() - 60) * 1000)})
    assert text.startswith("42,000 records were late, the last at ")
    assert "`tandem reconcile`" in text
    assert warned(**{LATE_AT: int((time.time() - 3600) * 1000)}) == []
    assert warned(**{LATE_AT: None}) == []
    # A driver of an earlier version did not say when.
    assert warned() == []


def test_that_a_topic_refuses_control_records_is_said_with_what_to_do() -> None:
    (text,) = warned(**{REFUSED: ["payments_topic_data_v1"]})
    assert "control records for topic payments_topic_data_v1 are refused (no WRITE right)" in text
    assert "grant WRITE" in text
    assert warned(**{REFUSED: []}) == []


@pytest.mark.parametrize(("entry", "name"), [(RECONCILE, "reconciliation"), (REPLAY, "replay")])
def test_why_a_batch_is_refused_is_said_in_full(entry: str, name: str) -> None:
    reason = "job.lateness_seconds is 1, but the checkpoint was begun with 300: " + "words " * 80
    log = f"2026-11-22T20:00:00Z WARN Something SomeError\nCannotGoOnError: {reason}\n"
    with pytest.raises(TandemError) as refused:
        batch_report(entry, 4, "", log)
    assert str(refused.value) == f"the {name} failed: {reason.strip()}"
