"""Real processes, ended as the keeper ends a service."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

import psutil
import pytest

from tandem.platforms.embedded.process import Ending, Identity, alive, end, identify, spawn
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
    for process in started:
        process.wait(10)


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


def test_what_a_dead_leader_left_is_given_no_time(start: Callable[[str], Identity]) -> None:
    leader = start(LEADER.format(child=STAYS))
    os.kill(leader.pid, signal.SIGKILL)
    wait_until(lambda: not alive(leader))
    assert running(leader.pid)
    assert end(leader, 5, linger_s=60) is Ending.GONE
    assert running(leader.pid) == []
