"""A rehearsal whose stand-ins have died is stopped and cleaned up all the same."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import NoReturn

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from tandem.cli import doctor
from tandem.cli.app import app
from tandem.cli.context import CommandContext
from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.base import Stopped
from tandem.platforms.dataproc import calls
from tandem.platforms.dataproc.environment import DataprocEnvironment
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.local_services.supervisor_process import SupervisorProcess
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.supervision.process import Identity, alive, identify, kill, spawn, write_identity
from tandem_rehearsal.environment import RehearsalEnvironment
from tandem_rehearsal.job import RehearsalJob
from tandem_rehearsal.services import SERVICES, layout_of

UNASKED = "the jobs could not be asked to stop and end with the stand-ins"
Start = Callable[[str], list[Identity]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A rehearsal at whose ports nobody listens."""
    monkeypatch.setattr(calls, "PATIENCE_S", 0.0)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        # The address of Dataproc is the second port.
        gcp = {"rehearsal_port": held.getsockname()[1] - 1}
        yield load("rehearsal", {"state_dir": tmp_path, "gcp": gcp})


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Starts what stands in for a supervisor and a driver, with the state of the storage; returns their identities."""
    layout, started = layout_of(settings), list[Popen[bytes]]()

    def run(storage: str) -> list[Identity]:
        layout.create()
        for name in ("supervisor", "job"):
            started.append(spawn(["sleep", "600"], log=layout.log(name), env=os.environ, cwd=layout.home))
            write_identity(layout.pid(name), identify(started[-1].pid))
        states = {name: {"state": "running"} for name in SERVICES}
        states["storage"] = {"state": storage, "error": "was given up: killed"}
        layout.state.write_text(json.dumps(states))
        return [identify(each.pid) for each in started]

    yield run
    for each in started:
        each.kill()
        each.wait(10)


@pytest.mark.parametrize(("storage", "why"), [("failed", "storage was given up: killed"), ("running", " failed, ")])
@pytest.mark.parametrize("whole", [True, False])
def test_leftovers_are_stopped_and_unanswered_requests_are_reported(
    settings: Settings, start: Start, storage: str, why: str, whole: bool
) -> None:
    processes, layout = start(storage), layout_of(settings)
    (layout.home / "storage" / "object").touch()
    environment = RehearsalEnvironment(settings)
    with capture_logs() as said:
        if whole:
            done = environment.stop(volumes=True)
            assert done == Stopped(ran=True, deleted=f"storage in {layout.home}")
        else:
            environment.job(settings).stop()
    (told,) = [each for each in said if each["event"] == UNASKED]
    assert why in told["error"]
    assert not any(map(alive, processes))
    assert layout.recorded() == []


def test_stand_ins_that_run_are_asked(settings: Settings, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(DataprocJob, "stop", lambda job: asked.append(job.settings.pipeline))
    monkeypatch.setattr(DataprocEnvironment, "pipelines", lambda _: ["orders_payments"])
    processes = start("running")
    with capture_logs() as said:
        assert RehearsalEnvironment(settings).stop().ran
    assert asked == ["orders_payments"]
    assert UNASKED not in [each["event"] for each in said]
    assert not any(map(alive, processes))


def test_a_driver_that_outlived_supervisor_and_stand_ins_is_ended(settings: Settings, start: Start) -> None:
    supervisor, driver = start("running")
    kill(supervisor)
    assert RehearsalEnvironment(settings).stop() == Stopped(ran=True)
    assert not alive(driver)


@pytest.mark.parametrize("command", [("verify",), ("verify", "--into", "new"), ("produce", "--count", "1")])
def test_a_command_says_that_the_stand_ins_do_not_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TANDEM_STATE_DIR", str(settings.state_dir))
    error = CliRunner().invoke(app, ["--profile", "rehearsal", *command]).exception
    assert isinstance(error, EnvironmentNotReadyError)
    assert (str(error), error.hint) == ("nothing runs", "start it with `tandem --profile rehearsal up`")


def test_an_interrupted_start_and_stop_of_the_stand_ins_are_known(
    settings: Settings, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    environment = RehearsalEnvironment(settings)
    job = environment.job(settings)
    assert str(job.changes) == "nothing was changed"
    monkeypatch.setattr(SupervisorProcess, "start", interrupt)
    monkeypatch.setattr(SupervisorProcess, "stop", interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.submit()
    assert str(job.changes) == "the stand-ins are starting"
    with pytest.raises(KeyboardInterrupt):
        list(job.forget())
    data = "the data of the stand-ins may be deleted in part"
    assert str(job.changes) == f"no job was stopped or submitted; {data}; the stand-ins are starting"
    start("failed")
    with pytest.raises(KeyboardInterrupt):
        job.stop()
    assert job.changes.services == "the stand-ins were asked to end, and may still run"
    # A command that has started none says nothing about them.
    another = RehearsalEnvironment(settings).job(settings)
    monkeypatch.setattr(RehearsalJob, "_await_stand_ins", interrupt)
    with pytest.raises(KeyboardInterrupt):
        another.submit()
    assert str(another.changes) == "nothing was changed"


def test_a_restart_of_a_job_says_which_stand_in_it_cannot_start(settings: Settings, start: Start) -> None:
    start("failed")
    with pytest.raises(EnvironmentNotReadyError, match="was given up") as told:
        RehearsalEnvironment(settings).job(settings).restart()
    assert told.value.hint.startswith("fix it, then run `tandem down` and `tandem up`")


def test_stand_ins_without_a_job_are_running_for_the_doctor(
    settings: Settings, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_STATE_DIR", str(settings.state_dir))
    context = CommandContext("rehearsal")
    assert not doctor.is_running(context)
    start("running")
    assert doctor.is_running(context)
