"""The alerts in infra/ look for lines that the job really logs, and `tandem status` says the same."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from tandem.engine.read.kafka_source import CONTROL, EVENTS, NEWEST, OLDEST, REJECTED
from tandem.engine.run import job_progress as progress
from tandem.engine.run.attention import SLOW_MS, warnings
from tandem.engine.run.job_progress import ProgressReporter
from tandem.engine.run.state_events import StateEvents
from tandem.engine.spark import job_log
from tandem.engine.spark.checkpoint import Planned
from tandem.engine.spark.job_log import Notice
from tandem.engine.write import batch_writer
from tandem.engine.write.batch_rows import Counts
from tandem.engine.write.batch_steps import DOCUMENTS, BatchSteps
from tandem.engine.write.batch_writer import BatchWriter
from tandem.pipelines.orders_payments.transform import PIPELINE
from tandem.platforms.dataproc import job as dataproc_job
from tandem.platforms.dataproc.batches import Batches
from tandem.platforms.dataproc.cluster_jobs import ClusterJobs
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.dataproc.release import release
from tandem.platforms.dataproc.requests import batch_request, label_of, submit_request
from tandem.platforms.dataproc.run import Run
from tandem.platforms.dataproc.run_problems import silence_of
from tandem.platforms.observe import dead_letters_of
from tandem.settings.load import load
from tandem.settings.model import Settings
from tests import ROOT
from tests.infrastructure import read, resources
from tests.spark.records import job_config
from tests.unit.test_dataproc import CLOUD
from tests.unit.test_idle_watermark import CONFIG

ALERTS = ROOT / "infra" / "modules" / "alerts"
ENGINE = ROOT / "src" / "tandem" / "engine"
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
RUN = Run("some-job", "running", NOW - timedelta(hours=1), "r1", "join-stream", "a", "tandem-1", "", "", "")


@pytest.fixture
def settings() -> Settings:
    return load("gcp", CLOUD)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the engine logs, as the lines of a job in the cloud."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(job_log._JsonLine())  # noqa: SLF001  # the rest of it belongs to a process
    logger = logging.getLogger("tandem.engine")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield out
    logger.removeHandler(handler)
    logger.setLevel(before)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def wanted(folder: Path) -> list[str]:
    """Returns the texts that the alerts look for."""
    module = read(folder)["locals"]
    texts = (*(each["texts"] for each in module["lines"].values()), *module["counts"].values())
    return [text for each in texts for text in each]


def logged() -> set[str]:
    """Returns the notices that the engine's code passes to a logger."""
    found = set()
    for file in ENGINE.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("_log."):
                found |= {each for each in map(ast.unparse, call.args) if each.startswith("Notice.")}
    return found


def test_the_alerts_look_for_each_notice() -> None:
    assert sorted(wanted(ALERTS)) == sorted(Notice)


def test_the_page_names_each_alert_and_line() -> None:
    module = read(ALERTS)
    page = (ROOT / "docs" / "guides" / "monitoring.md").read_text("utf-8")
    names = [each["display_name"] for each in resources(module, "google_monitoring_alert_policy")]
    titles = {name.rpartition(": ")[2] for name in names} - {"${each.value.title}"}
    titles |= {each["title"] for each in module["locals"]["lines"].values()}
    assert titles == set(re.findall(r"^\| ([a-z ]+) \| (?:a line|ten minutes|five lines) ", page, re.MULTILINE))
    assert all(f"`{notice}`" in page for notice in Notice)


def test_an_alert_on_a_line_that_does_not_exist_is_found(tmp_path: Path) -> None:
    text = (ALERTS / "main.tf").read_text("utf-8")
    (tmp_path / "main.tf").write_text(text.replace("records rejected", "records refused"), "utf-8")
    assert sorted(wanted(tmp_path)) != sorted(Notice)


def test_the_job_logs_each_notice() -> None:
    assert logged() == {f"Notice.{each.name}" for each in Notice}


def test_no_notice_is_a_part_of_another_one() -> None:
    assert [(one, other) for one in Notice for other in Notice if one != other and one in other] == []


def test_each_text_is_looked_for_in_the_drivers_log(settings: Settings) -> None:
    """The resource and the log are those where `tandem logs` finds the drivers' lines."""
    driver = read(ALERTS)["locals"]["driver"].replace('\\"', '"')
    for filtered in (ClusterJobs(settings, None, cast(Any, None)), Batches(settings, None, cast(Any, None))):
        for clause in filtered.log_filter(RUN).split(" AND "):
            name = clause.partition(" = ")[0]
            if name not in ("resource.labels.job_id", "resource.labels.job_uuid", "resource.labels.batch_id"):
                own = clause.replace("europe-west3", "${var.region}").replace("some-project", "${var.project}")
                assert own in driver
    module = read(ALERTS)
    for each in (
        *(policy["conditions"][0]["condition_matched_log"][0] for policy in matched(module)),
        *resources(module, "google_logging_metric"),
    ):
        assert each["filter"].startswith("${local.driver} AND (")


def matched(module: dict[str, Any]) -> list[dict[str, Any]]:
    policies = resources(module, "google_monitoring_alert_policy")
    return [each for each in policies if "condition_matched_log" in each["conditions"][0]]


def test_the_pipelines_name_is_found_in_the_id(settings: Settings) -> None:
    (pattern,) = re.findall(r"\^\S+?\$", read(ALERTS)["locals"]["pipeline"])
    made = release(settings)
    job = submit_request(settings, made, None).job.reference.job_id
    batch = batch_request(settings, made, None).batch_id
    for name in (job, batch):
        found = re.match(pattern, name)
        assert found is not None
        assert found[1] == label_of(settings) == "orders-payments"


def reporter_of(monkeypatch: pytest.MonkeyPatch, reports: list[dict[str, Any]] | None = None) -> ProgressReporter:
    written = [] if reports is None else reports
    found = SimpleNamespace(with_ids=lambda _: [], insert=written.append, put=lambda _: None)
    monkeypatch.setattr(progress, "MongoCollection", lambda *_: found)
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: None)
    return ProgressReporter(cast(Any, None), CONFIG, StateEvents(1800, 1800, 300))


def committed(late: int, ms: int, **observed: dict[str, int | None]) -> Any:
    operator = SimpleNamespace(numRowsDroppedByWatermark=late, memoryUsedBytes=1)
    return SimpleNamespace(
        id="mine",
        batchId=8,
        numInputRows=5,
        stateOperators=[operator],
        sources=[],
        observedMetrics=observed,
        eventTime={},
        timestamp="2026-11-29T10:00:00.000Z",
        durationMs={"triggerExecution": ms},
    )


@pytest.mark.parametrize(
    ("late", "ms", "notices"),
    [
        (0, 100, [Notice.COMMITTED]),
        (2, 100, [Notice.COMMITTED, Notice.LATE]),
        (0, SLOW_MS, [Notice.COMMITTED, Notice.SLOW]),
        (0, SLOW_MS - 1, [Notice.COMMITTED]),
    ],
)
def test_a_batch_logs_what_needs_attention(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO, late: int, ms: int, notices: list[Notice]
) -> None:
    reporter_of(monkeypatch).batch(committed(late, ms), BatchSteps())
    found = lines(log)
    assert [line["message"] for line in found] == notices
    assert {line["severity"] for line in found[1:]} <= {"WARNING"}
    assert all(line["batch"] == 8 for line in found)


def test_a_batchs_report_has_its_beginning_and_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[dict[str, Any]] = []
    reporter, steps = reporter_of(monkeypatch, reports), BatchSteps(dead_letters=3)
    with steps.measured(DOCUMENTS, "facts"):
        pass
    reporter.batch(committed(2, 100), steps)
    reporter.batch(committed(0, 100), BatchSteps())
    first, second = reports
    assert first["begun_at"] == {"$date": "2026-11-29T10:00:00.000Z"}
    assert (first["late"], first["dead_letters"]) == (2, 3)
    assert [(each["step"], each["collection"]) for each in first["steps"]] == [(DOCUMENTS, "facts")]
    # The counts of one batch, beside the total.
    assert (second["late"], second["late_total"], second["dead_letters"], second["steps"]) == (0, 2, 0, [])


def test_a_job_without_records_says_once_a_minute_that_it_waits(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    clock = MagicMock(return_value=0.0)
    monkeypatch.setattr(progress.time, "monotonic", clock)
    reporter = reporter_of(monkeypatch)
    for clock.return_value in (1.0, 59.0, 61.0, 62.0, 120.0):
        reporter.idle(MagicMock())
    assert [line["message"] for line in lines(log)] == [Notice.WAITING]
    reporter.batch(committed(0, 1), BatchSteps())
    clock.return_value = 179.0
    reporter.idle(MagicMock())
    assert [line["message"] for line in lines(log)] == [Notice.WAITING, Notice.COMMITTED]


@pytest.mark.parametrize("dead", [0, 3])
def test_rejected_records_are_logged_once_their_dead_letters_are_written(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO, dead: int
) -> None:
    large = MagicMock(**{"compute.return_value": Counts(0, dead, old=False)})
    monkeypatch.setattr(batch_writer, "LargeBatches", lambda *_: large)
    monkeypatch.setattr(batch_writer, "planned", lambda *_: Planned({"orders": {"0": 50_000}}, 0, 77, {}))
    monkeypatch.setattr(batch_writer, "is_committed", lambda *_: False)
    monkeypatch.setattr(batch_writer, "side_by_side", lambda _, __, tasks: [task() for task in tasks])
    writer = BatchWriter(MagicMock(), PIPELINE, job_config("p"), threading.Event())
    writer.write(MagicMock(), 7)
    writer.close()
    assert large.append_letters.call_count == bool(dead)
    assert [(line["message"], line["dead_letters"]) for line in lines(log)] == [(Notice.REJECTED, dead)] * bool(dead)


def test_status_counts_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[dict[str, Any]] = []
    reporter = reporter_of(monkeypatch, reports)
    reporter.report("started")
    # No stream counts the fifth record of a batch, an ignored tombstone.
    nothing = {EVENTS: 0, CONTROL: 0, REJECTED: 0, OLDEST: None, NEWEST: None}
    orders = {EVENTS: 2, CONTROL: 1, REJECTED: 1, OLDEST: 4, NEWEST: 5}
    reporter.batch(committed(0, 1, orders=orders, payments=nothing), BatchSteps())
    reporter.batch(committed(0, 1, orders=nothing, payments={**nothing, REJECTED: 4}), BatchSteps())
    assert [dead_letters_of(report) for report in reports] == [0, 1, 5]
    assert dead_letters_of({}) is None


def test_status_warns_of_a_slow_batch() -> None:
    assert list(warnings({"durations_ms": {"triggerExecution": SLOW_MS}}, 0)) == ["slow"]
    assert list(warnings({"durations_ms": {"triggerExecution": SLOW_MS - 1}}, 0)) == []
    assert list(warnings({"durations_ms": {}}, 0)) == []


@pytest.mark.parametrize(
    ("state", "since", "reported", "told"),
    [
        ("running", 60, 1, False),
        ("running", 60, 10, True),
        # Its driver starts now.
        ("running", 1, 30, False),
        ("starting", 60, 30, False),
        ("stopped", 60, 30, False),
        # No driver ever reported.
        ("running", 60, None, True),
        ("running", 1, None, False),
    ],
)
def test_status_warns_of_a_silent_job(state: str, since: int, reported: int | None, told: bool) -> None:
    run = replace(RUN, state=state, since=NOW - timedelta(minutes=since))
    newest = None if reported is None else {"at": NOW - timedelta(minutes=reported)}
    assert bool(silence_of(run, newest, NOW)) == told


@pytest.mark.parametrize("answers", [True, False])
def test_status_warns_of_a_first_job_that_never_reported_if_mongodb_answers(
    answers: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = DataprocJob(settings)
    run = replace(RUN, since=datetime.now(UTC) - timedelta(hours=1))
    job.__dict__["deployment"] = SimpleNamespace(newest=lambda: (None, run), elsewhere=lambda *_: None)
    reader = MagicMock(**{"newest.return_value": None, "answers.return_value": answers})
    monkeypatch.setattr(dataproc_job, "progress_of", lambda _: nullcontext(reader))
    assert bool(job.status()["warnings"]) == answers
