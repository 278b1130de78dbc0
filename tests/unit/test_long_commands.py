"""Commands show long work on standard error, and leave standard output to their data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tandem import progress_display
from tandem.cli import doctor, inspect, new, plans, replay, schemas, shell, verification
from tandem.cli.app import app
from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import TandemError, UsageError
from tandem.platforms.changes import ChangesSoFar
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.dataproc.runs import Runs
from tandem.platforms.embedded.job import EmbeddedJob
from tandem.platforms.local_services import supervisor_process
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.supervisor_process import SupervisorProcess
from tandem.progress_display import progress
from tandem.replay.diff_report import differences
from tandem.settings.load import load
from tandem.supervision.process import Identity, write_identity
from tandem.supervision.state_folder import SUPERVISOR
from tandem.verify.report import RecordCounts, Report

AGREED = Report({"orders": RecordCounts()}, [], [], 0, ())


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows short work, too."""
    monkeypatch.setattr(progress_display, "QUIET_S", 0)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ("--profile", "embedded", *words))


def stub_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(*_: object, progress: Callable[[str, int, int], None], **_others: object) -> Report:
        progress("reading records", 2, 4)
        return AGREED

    monkeypatch.setattr(verification, "progress_of_backlog", lambda *_: nullcontext())
    monkeypatch.setattr(verification, "verify", verify)


def stub_verify_into(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(_settings: object, _database: object, _span: object, show: Callable[[str, int, int], None]) -> Report:
        show("comparing", 0, 1)
        return AGREED

    monkeypatch.setattr(verification, "database_of", lambda *_: nullcontext())
    monkeypatch.setattr(verification, "check_replayed", lambda *_: SimpleNamespace(span=None))
    monkeypatch.setattr(verification, "verify_replayed", verify)


def stub_reconcile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedJob, "reconcile", lambda _: {"compared": 1})


def stub_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "collected", lambda _: {"ready": True})


def stub_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda *_, **__: iter(()))
    monkeypatch.setattr(doctor, "is_running", lambda _: False)


COMMANDS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "verify --json": (stub_verify, "reading records: 2 of 4"),
    "verify --into v2 --json": (stub_verify_into, "comparing: 0 s"),
    "reconcile --json": (stub_reconcile, "reconciling: 0 s"),
    "status --json": (stub_status, "asking the services: 0 s"),
    "doctor --json": (stub_doctor, "checking the environment: 0 s"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("at_once")
def test_long_work_is_shown_beside_json(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stub, line = COMMANDS[command]
    stub(monkeypatch)
    done = run(*command.split())
    assert done.exit_code == 0, done.output
    assert line in done.stderr.splitlines()
    json.loads(done.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_short_work_is_not_shown(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stub, _ = COMMANDS[command]
    stub(monkeypatch)
    done = run(*command.split())
    assert done.exit_code == 0
    assert [line for line in done.stderr.splitlines() if not line.startswith("tandem: profile")] == []


@pytest.mark.usefixtures("at_once")
def test_reading_a_topic_for_a_new_pipeline_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_from(*_: object, **__: object) -> None:
        raise UsageError("the topic has no records", hint="")

    monkeypatch.setattr(new, "write_from", write_from)
    done = run("new", "views", "--from", "topic:views")
    assert done.stderr == "reading topic:views: 0 s\n"
    assert isinstance(done.exception, UsageError)


@pytest.mark.usefixtures("at_once")
def test_the_start_of_spark_is_shown_until_the_shell_opens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def session_of(_: object) -> Iterator[Any]:
        yield SimpleNamespace(spark=None)

    def interact(*_: object, **__: object) -> None:
        assert "starting Spark: 0 s\nstarting Spark: 0 s\n" in capsys.readouterr().err
        raise TandemError("it opened", hint="")

    monkeypatch.setattr(shell, "session_of", session_of)
    monkeypatch.setitem(sys.modules, "IPython", None)
    monkeypatch.setattr(shell.code, "interact", interact)
    with pytest.raises(TandemError, match="it opened"):
        app(["--profile", "embedded", "shell"], standalone_mode=False)


@pytest.mark.usefixtures("at_once")
def test_pulling_schemas_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "Registry", lambda _: None)
    monkeypatch.setattr(schemas, "pull", lambda *_: SimpleNamespace(new=["a"], known=0, skipped=[]))
    done = run("schemas", "pull", "orders-value")
    assert done.stdout == "new      a\n"
    assert "reading orders-value: 0 s" in done.stderr


@pytest.mark.usefixtures("at_once")
def test_the_wait_for_the_last_records_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plans, "connect", lambda *_: None)
    monkeypatch.setattr(plans, "expected_watermark", lambda _: None)
    assert plans.known_watermark(load("embedded"), None) is None
    assert "waiting for the topics' last records: 0 s\n" in capsys.readouterr().err


@pytest.mark.usefixtures("at_once")
def test_stopping_the_services_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    write_identity(layout.pid(SUPERVISOR), Identity(1, "gone"))
    seen: list[str] = []
    monkeypatch.setattr(supervisor_process, "end", lambda *_: seen.append(capsys.readouterr().err))
    SupervisorProcess(layout, "no.module", lambda *_: None).stop(forget=False)
    assert seen == ["stopping the services: 0 s\n"]


@pytest.mark.usefixtures("at_once")
def test_nothing_is_stopped_where_nothing_was_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not SupervisorProcess(Layout(tmp_path), "no.module", lambda *_: None).stop(forget=False).ran
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("at_once")
def test_the_end_of_a_job_in_the_cloud_is_awaited_visibly(capsys: pytest.CaptureFixture[str]) -> None:
    ended = SimpleNamespace(id="job-1", active=False)
    runs: Any = SimpleNamespace(get=lambda _: ended, way_to_end=lambda _: "", _pace_s=0)
    assert Runs.await_end(runs, ended, 10) is ended  # type: ignore[arg-type]
    assert "waiting for the job job-1 to end: 0 s\n" in capsys.readouterr().err


@pytest.mark.usefixtures("at_once")
def test_a_deployment_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    job: Any = SimpleNamespace(
        deployment=SimpleNamespace(deploy=lambda _: "run"), changes=ChangesSoFar(), _submitted=None
    )
    DataprocJob.submit(job)
    assert vars(job)["_submitted"] == "run"
    assert "deploying: 0 s\n" in capsys.readouterr().err


class Stored(list[dict[str, Any]]):
    """A collection of a database."""

    def estimated_document_count(self) -> int:
        return len(self)

    def find(self, *_: object, **__: object) -> Iterator[dict[str, Any]]:
        return iter(self)


class Database(dict[str, Stored]):
    """A database in memory."""

    def with_options(self, **_: object) -> Database:
        return self

    def __missing__(self, _: str) -> Stored:
        return Stored({"_id": f"{number:06}"} for number in range(2_500))


def test_a_comparison_of_collections_counts_the_old_documents() -> None:
    steps: list[tuple[str, int, int]] = []
    span = ReplayRange({}, since_ms=0, into="v2")
    found = list(
        differences(
            load("embedded"),
            Database(),  # type: ignore[arg-type]
            span,
            0,
            lambda *_: None,
            lambda *step: steps.append(step),
        )
    )
    assert all(each.none and each.equal == 2_500 for each in found)
    assert {(what, total) for what, _, total in steps} == {(f"comparing {each.collection}", 2_500) for each in found}
    assert steps[0][1] == 0
    assert steps[-1][1] == 2_500


@pytest.mark.usefixtures("at_once")
def test_a_step_without_numbers_shows_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as display:
        show = verification.steps_in(display)
        show("comparing", 0, 1)
        show("comparing", 1, 1)
        show("grouping", 0, 2)
        show("grouping", 2, 2)
    assert capsys.readouterr().err.splitlines()[-2:] == ["comparing: 0 s", "grouping: 2 in 0 s"]


def test_only_old_documents_have_no_bar_on_their_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def found(*arguments: Any) -> list[Any]:
        given.append(arguments[-1])
        return []

    span = ReplayRange({}, since_ms=0, into="v2")
    monkeypatch.setattr(replay, "database_of", lambda *_: nullcontext())
    monkeypatch.setattr(replay, "check_replayed", lambda *_: SimpleNamespace(span=span, watermark_ms=0))
    monkeypatch.setattr(replay, "_check_suffix", lambda *_: None)
    monkeypatch.setattr(replay.diff_report, "differences", found)
    for is_terminal in (True, False):
        monkeypatch.setattr("rich.console.Console.is_terminal", is_terminal)
        assert run("diff", "--with", "v2", "--only-old").exit_code == 0
    assert [each is replay.nothing for each in given] == [True, False]
