"""The command `tandem replay`: what it asks the job for, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from typer.testing import CliRunner, Result

from tandem.cli import replay
from tandem.cli.app import app
from tandem.engine.declare.replay_range import NEVER_MS, ReplayRange
from tandem.engine.declare.stream import REPLAY_COLLECTION
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, UNMATCHED
from tandem.platforms.embedded.job import EmbeddedJob
from tandem.replay import diff_report
from tandem.replay.resolve import PartitionOffsets
from tandem.settings.load import load
from tandem.verify.report import Kind, Problem, RecordCounts, Report
from tests.unit.test_replay import Found, Rows

REPORT = {
    "records": {"orders": {"events": 3, "control": 1, "rejected": 2}},
    "watermark": None,
    "compared": {FACTS.name: 3},
    "inserted": {FACTS.name: 1},
    "replaced": {FACTS.name: 2},
    "removed": {},
    "seconds": 1.0,
}


@dataclass
class Asked:
    """What the command has asked for."""

    committed: Any = field(default_factory=lambda: {ORDERS.topic: {"0": 10}})
    watermark: datetime | None = datetime(2026, 11, 29, tzinfo=UTC)
    offsets: dict[str, Any] = field(default_factory=dict)
    spans: list[ReplayRange] = field(default_factory=list)
    indexed: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    stored: Found = field(default_factory=Found)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()

    def offsets_in(_settings: object, **options: Any) -> Iterator[PartitionOffsets]:
        found.offsets = options
        yield PartitionOffsets(ORDERS.topic, 0, begin=0, end=10, read=0, since=4, until=10, oldest_ms=1)

    @contextmanager
    def database_of(*_: object) -> Iterator[Any]:
        yield found.stored

    def report_of(what: str) -> Report:
        found.compared.append(what)
        return Report({"orders": RecordCounts()}, found.problems, [], 0, ())

    def take(_job: object, span: ReplayRange) -> dict[str, Any]:
        found.spans.append(span)
        return REPORT

    def newest() -> dict[str, Any] | None:
        return found.committed and {"committed": found.committed, "watermark": found.watermark}

    monkeypatch.setattr(replay, "offsets_in", offsets_in)
    monkeypatch.setattr(replay, "database_of", database_of)
    monkeypatch.setattr(replay, "create_collections", lambda _, indexes: found.indexed.extend(indexes))
    monkeypatch.setattr(replay, "progress_of", lambda _: nullcontext(SimpleNamespace(newest=newest)))
    monkeypatch.setattr(replay, "progress_of_replay", lambda *_: nullcontext())
    monkeypatch.setattr(replay, "compared", lambda *_: report_of("own"))
    monkeypatch.setattr(replay, "compared_set", lambda _, suffix: report_of(suffix))
    monkeypatch.setattr(EmbeddedJob, "replay", take)
    return found


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ("--profile", "embedded", "replay", "--since", "2h", *options))


def test_the_own_collections_get_what_the_job_has_committed(asked: Asked) -> None:
    done = run()
    assert done.exception is None
    assert asked.offsets["committed"] == asked.committed
    assert timedelta(hours=1, minutes=59) < datetime.now(UTC) - asked.offsets["since"] < timedelta(hours=3)
    assert (asked.offsets["until"], asked.offsets["margin_s"]) == (None, 2100)
    assert [(span.into, span.settings) for span in asked.spans] == [("", {})]
    assert (asked.indexed, asked.compared) == ([], ["own"])
    assert f"replaying 10 records into {FACTS.name}, {UNMATCHED.name}" in done.stderr
    assert "orders: 3 events, 1 control, 2 rejected" in done.stdout
    assert f"{FACTS.name}: 3 compared, 1 inserted, 2 replaced" in done.stdout


@pytest.mark.parametrize("margin", ["inf", "1e300", "nan", "-1"])
def test_a_margin_that_is_no_duration_is_refused(asked: Asked, margin: str) -> None:
    done = run("--margin", margin)
    assert done.exit_code == 2
    assert "--margin" in done.stderr
    assert not asked.spans


@pytest.mark.parametrize(("watermark", "ms"), [(None, 0), (datetime(1970, 1, 2, tzinfo=UTC), 86_400_000)])
def test_the_watermark_is_that_of_the_same_report_as_the_offsets(
    asked: Asked, watermark: datetime | None, ms: int
) -> None:
    asked.watermark = watermark
    assert run().exception is None
    assert run("--into", "v2").exception is None
    assert [span.watermark_ms for span in asked.spans] == [ms, None]


def test_a_set_needs_no_job_and_gets_its_indexes_first(asked: Asked) -> None:
    asked.committed = None
    done = run("--into", "v2", "--margin", "7.5", "--json")
    assert done.exception is None
    assert (asked.offsets["committed"], asked.offsets["margin_s"]) == (None, 307.5)
    # Containers have the configuration of the job's last start.
    job = load("embedded").job
    assert asked.spans[0].settings == {
        "parameters": job.parameters,
        "lateness_seconds": job.lateness_seconds,
        "max_clock_skew_seconds": job.max_clock_skew_seconds,
    }
    assert asked.indexed == [f"{FACTS.name}_v2", f"{UNMATCHED.name}_v2"]
    assert ([span.into for span in asked.spans], asked.compared) == (["v2"], ["v2"])
    printed = json.loads(done.stdout)
    assert {name: printed[name] for name in REPORT} == REPORT
    assert printed["verify"]["ok"]


def test_an_interrupted_replay_is_repeated_with_its_own_records(asked: Asked) -> None:
    """`--since 2h` names a later time every time."""
    earlier = ReplayRange({ORDERS.topic: {"0": (0, 12)}}, since_ms=7, into="v2")
    known = {"_id": "orders_payments/v2", "pipeline": "orders_payments", "into": "v2", "range": earlier.to_json()}
    record = {**known, "watermark_ms": 0, "state": "running", "progress": None, "at": datetime(2026, 11, 29)}
    asked.stored[REPLAY_COLLECTION] = Rows([record])
    done = run("--into", "v2")
    assert done.exception is None
    (span,) = asked.spans
    assert (span.offsets, span.since_ms) == (earlier.offsets, earlier.since_ms)
    assert "replaying 12 records" in done.stderr
    assert "those of the interrupted replay" in done.stderr
    asked.stored[REPLAY_COLLECTION][0]["state"] = "done"
    assert isinstance(run("--into", "v2").exception, UsageError)


def test_a_set_is_known_before_its_collections_are_created(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tandem destroy --data` finds its collections by the record."""
    asked.stored[REPLAY_COLLECTION] = Rows([])

    def create(*_: object) -> None:
        assert [each["into"] for each in asked.stored[REPLAY_COLLECTION]] == ["v2"]
        raise EnvironmentNotReadyError("MongoDB does not answer", hint="")

    monkeypatch.setattr(replay, "create_collections", create)
    assert isinstance(run("--into", "v2").exception, EnvironmentNotReadyError)
    assert not asked.spans


def test_two_replays_do_not_run_together(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(_database: object, pipeline: str) -> None:
        raise TandemError(f"a replay of {pipeline} is running", hint="")

    monkeypatch.setattr(replay, "check_none_runs", check)
    assert "a replay of orders_payments is running" in str(run().exception)
    assert not asked.spans


def test_without_a_committed_batch_there_is_nothing_to_replace(asked: Asked) -> None:
    asked.committed = None
    error = run().exception
    assert isinstance(error, EnvironmentNotReadyError)
    assert "has not committed a batch yet" in str(error)
    assert not asked.spans


def test_diff_names_all_documents_that_only_the_old_collections_have(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = ReplayRange({}, since_ms=100, complete_ms=0, within_ms=50, into="v2")
    known = {"_id": "orders_payments/v2", "pipeline": "orders_payments", "into": "v2", "range": span.to_json()}
    asked.stored[REPLAY_COLLECTION] = Rows([{**known, "watermark_ms": 1000, "state": "done", "progress": None}])
    asked.stored[FACTS.name] = Rows([{"_id": f"{ms:04}", "order_date": DatetimeMS(ms)} for ms in range(1000)])
    monkeypatch.setattr(Found, "with_options", lambda self, **_: self, raising=False)
    monkeypatch.setattr(diff_report, "in_order", lambda rows: rows)
    done = CliRunner().invoke(app, ("--profile", "embedded", "diff", "--with", "v2", "--only-old"))
    assert done.exception is None
    named = [json.loads(line) for line in done.stdout.splitlines()]
    # Those that the range decides, and no others.
    assert named == [{"collection": FACTS.name, "_id": f"{ms:04}"} for ms in range(100, 951)]


@pytest.mark.parametrize(("complete_ms", "said"), [(NEVER_MS, True), (0, False)])
def test_diff_says_that_it_cannot_name_documents_in_one_collection_only(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, complete_ms: int, said: bool
) -> None:
    span = ReplayRange({}, since_ms=100, complete_ms=complete_ms, into="v2")
    known = {"_id": "orders_payments/v2", "pipeline": "orders_payments", "into": "v2", "range": span.to_json()}
    asked.stored[REPLAY_COLLECTION] = Rows([{**known, "watermark_ms": 1000, "state": "done", "progress": None}])
    monkeypatch.setattr(diff_report, "differences", lambda *_: [])
    done = CliRunner().invoke(app, ("--profile", "embedded", "diff", "--with", "v2", "--only-old"))
    assert done.exception is None
    assert ("producers date the records" in done.stderr) == said


def test_a_difference_fails_the_command(asked: Asked) -> None:
    asked.problems.append(Problem(Kind.LOST, FACTS.name, 1, ["a"]))
    done = run("--json")
    assert isinstance(done.exception, TandemError)
    assert not json.loads(done.stdout)["verify"]["ok"]
    assert run("--no-verify").exception is None
    assert asked.compared == ["own"]
