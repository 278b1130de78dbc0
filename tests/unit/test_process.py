"""Real processes, ended as a runner ends a service."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

import psutil
import pytest

from tandem.platforms.embedded.job import EmbeddedJob
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.supervisor_process import SupervisorProcess
from tandem.settings.load import load
from tandem.supervision.process import Ending, Identity, alive, end, identify, kill, send, spawn, write_identity
from tandem.waiting import NotYetError, wait_for

# The leader starts a child in its own group, says so, and then does what it is told.
LEADER = """
trap 'exit 0' TERM
{child} &
touch "$READY"
while :; do sleep 0.05; done
"""
STAYS = "sh -c 'trap \"\" TERM; while :; do sleep 0.05; done'"
FINISHES = 'sh -c \'trap "" TERM; while [ ! -e "$READY.go" ]; do sleep 0.05; done\''


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Identity]]:
    started: list[Popen[bytes]] = []
    yield lambda script: started.append(begin(tmp_path, script)) or identify(started[-1].pid)
    for each in started:
        each.wait(10)


def begin(tmp_path: Path, script: str) -> Popen[bytes]:
    ready = tmp_path / "ready"
    environment = {**os.environ, "READY": str(ready)}
    process = spawn(["bash", "-c", script], log=tmp_path / "log", env=environment, cwd=tmp_path)

    wait_until(ready.exists)
    return process


def wait_until(condition: Callable[[], bool]) -> None:
    def probe() -> None:
        if not condition():
            raise NotYetError("not yet")

    wait_for("the process", probe, deadline_s=10, hint="", interval_s=0.02)


def running(group: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                found.append(process)
    return found


def test_a_group_that_goes_on_is_killed(start: Callable[[str], Identity]) -> None:
    leader = start(LEADER.format(child=STAYS))
    assert end(leader, 5) is Ending.LEADER
    assert running(leader.pid) == []


def test_a_group_is_given_its_time(start: Callable[[str], Identity]) -> None:
    """It finishes only after the leader was asked to end, as a JVM that writes its archive at exit does."""
    leader = start(LEADER.format(child=FINISHES).replace("exit 0", 'touch "$READY.go"; exit 0'))
    assert end(leader, 5, linger_s=5) is Ending.WHOLE


def test_a_leader_that_does_not_listen_is_killed(start: Callable[[str], Identity]) -> None:
    leader = start(LEADER.format(child=STAYS).replace("exit 0", ""))
    assert end(leader, 0.2, linger_s=5) is Ending.KILLED
    assert not alive(leader)


def test_another_process_with_the_recorded_id_gets_no_signal(start: Callable[[str], Identity]) -> None:
    theirs = start(LEADER.format(child=STAYS))
    recorded = Identity(theirs.pid, theirs.started[:-1] + ("1" if theirs.started[-1] == "0" else "0"))
    assert not send(recorded, signal.SIGKILL)
    kill(recorded)
    assert end(recorded, 5) is Ending.GONE
    assert alive(theirs)
    assert send(theirs, signal.SIGKILL)
    wait_until(lambda: not alive(theirs))
    assert not send(theirs, signal.SIGKILL)
    kill(theirs)
    assert running(theirs.pid) == []


def test_a_process_that_ends_between_the_look_and_the_signal_passes_it_to_no_other(
    start: Callable[[str], Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id is another one's by then; so that it is not, it is only looked at as if."""
    ours, theirs = (start(LEADER.format(child=STAYS)) for _ in range(2))
    monkeypatch.setattr("tandem.supervision.process.alive", lambda _: True)
    real = os.kill
    monkeypatch.setattr(os, "kill", lambda _pid, number: real(theirs.pid, number))
    assert send(ours, signal.SIGKILL)
    monkeypatch.undo()
    wait_until(lambda: not alive(ours))
    assert alive(theirs)
    for each in (ours, theirs):
        kill(each)


def test_the_supervisor_is_asked_only_when_it_is_one(start: Callable[[str], Identity], tmp_path: Path) -> None:
    """Of one that was killed, the process id may be another program's, which the signal would end."""
    theirs, layout = start(LEADER.format(child=STAYS)), Layout(tmp_path / "home")
    layout.create()
    write_identity(layout.pid("supervisor"), Identity(theirs.pid, "another boot/1"))
    settings = load("embedded", {"state_dir": tmp_path})
    EmbeddedJob(settings, layout, SupervisorProcess(layout, "no.module", lambda *_: None)).ask_restart()
    os.kill(theirs.pid, 0)
    assert alive(theirs)
    kill(theirs)


def test_what_a_dead_leader_left_is_given_no_time(start: Callable[[str], Identity]) -> None:
    leader = start(LEADER.format(child=STAYS))
    os.kill(leader.pid, signal.SIGKILL)
    wait_until(lambda: not alive(leader))
    assert running(leader.pid)
    assert end(leader, 5, linger_s=60) is Ending.GONE
    assert running(leader.pid) == []
