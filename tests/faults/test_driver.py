"""The driver dies, at any moment and at the worst ones."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.faults.arena import Arena, documents_are_being_written
from tests.faults.backends import Processes, is_state_written, send
from tests.faults.conftest import FAULT_STATE, Arenas, environment_of

KILLS = {"embedded": 2, "local": 2}
ALL_KILLS = 10


@pytest.mark.on_demand("local")
def test_killed_at_random_times_under_load(arena: Arena, request: pytest.FixtureRequest) -> None:
    kills = ALL_KILLS if request.config.getoption("--all") else KILLS[arena.case.profile]
    chance = random.Random(f"driver {arena.case.profile}")
    with arena.load():
        for _ in range(kills):
            arena.pass_time(chance.uniform(0, 3))
            arena.recovered(arena.signal("job", signal.SIGKILL))
    arena.check()


def offsets_are_written(arena: Arena, batch: int) -> Callable[[], bool]:
    """The batch is planned; nothing of it is done."""
    file = arena.backend.checkpoint / "offsets" / str(batch)
    return file.exists


def state_is_being_committed(arena: Arena, batch: int) -> Callable[[], bool]:
    """One of the state stores has written the batch's changes, or is at it."""
    return lambda: is_state_written(arena.backend.checkpoint, batch)


def dead_letters_are_written(arena: Arena, batch: int) -> Callable[[], bool]:
    """All of them, since they are few; documents are written meanwhile."""
    del batch
    before = dead_letters(arena)
    return lambda: dead_letters(arena) > before


def dead_letters(arena: Arena) -> int:
    """Returns the size of the dead-letter topic's log, which needs no client that would be slow to ask."""
    logs = log_folder(arena).glob("orders_payments_dead_letter_v1-*/00000000000000000000.log")
    return sum(log.stat().st_size for log in logs)


def log_folder(arena: Arena) -> Path:
    checkpoint = arena.backend.checkpoint.parent
    if arena.case.profile == "embedded":
        return checkpoint.parent / "kafka"
    return Path(str(checkpoint).replace("_checkpoint_", "_kafka_"))


POINTS = (
    offsets_are_written,
    pytest.param(state_is_being_committed, marks=pytest.mark.on_demand),
    documents_are_being_written,
    pytest.param(dead_letters_are_written, marks=pytest.mark.on_demand),
)


@pytest.mark.on_demand("local")
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
def test_killed_at_an_exact_point(arena: Arena, point: Callable[[Arena, int], Callable[[], bool]]) -> None:
    arena.kill_in_a_batch("job", point)
    arena.check()


def another_driver(arena: Arena, killed: int) -> int:
    """Returns the driver's first process, 0 while there is none: Docker still names for a moment what was killed."""
    return next((pid for pid in arena.backend.pids("job")[:1] if pid != killed), 0)


@pytest.mark.on_demand
def test_killed_again_before_it_is_ready(arena: Arena) -> None:
    """A storm: more kills in a row than failures are allowed."""
    driver = 0
    with arena.load():
        for _ in range(7):
            driver = arena.environment.wait("another driver", partial(another_driver, arena, driver))
            killed = arena.signal("job", signal.SIGKILL)
        arena.recovered(killed)
    arena.check()


@pytest.mark.on_demand("local")
def test_a_graceful_stop_leaves_nothing_to_replay(arena: Arena) -> None:
    """The batch that has begun is committed, and the next one, if Spark has planned it, has written nothing."""
    with arena.load():
        driver = arena.backend.pids("job")[0]
        stopped = arena.signal("job", signal.SIGTERM)
        arena.when("the driver has ended", lambda: not psutil.pid_exists(driver))
        commits = arena.backend.checkpoint / "commits"
        committed = max(int(path.name) for path in commits.glob("[0-9]*"))
        said = arena.progress("stopped")
        arena.recovered(stopped)
    assert said is not None
    assert (said["batch"], said["error"], said["at"].replace(tzinfo=UTC) > stopped) == (committed, None, True)
    arena.check()


@pytest.mark.on_demand
def test_killed_in_the_first_batch_of_all(arenas: Arenas) -> None:
    """There is nothing yet that it could go on from, and all that it finds is in the topics already."""
    arenas.end()
    environment = replace(environment_of("embedded"), home=FAULT_STATE / "first", first_port=29870)
    processes = Processes(environment.home)
    environment.tandem("down", "--volumes")
    try:
        environment.tandem("up")
        environment.wait("a driver", lambda: send(processes, "job", signal.SIGSTOP))
        environment.tandem("produce", "--count", "3000", "--close")
        send(processes, "job", signal.SIGCONT)
        environment.wait("the first batch", (processes.checkpoint / "offsets" / "0").exists)
        assert send(processes, "job", signal.SIGKILL)
        assert not (processes.checkpoint / "commits" / "0").exists()
        environment.wait("lag 0", environment.caught_up)
        environment.tandem("verify")
    finally:
        environment.tandem("down", "--volumes", code=None)
