"""Windows open and close for long: `scripts/test faults --all --minutes 30 -k soak`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psutil
import pytest

from tests.faults.arena import Arena
from tests.faults.conftest import Arenas

# How much more there may be in the second half than in the first: neither is a whole number of windows.
SLACK = 1.5


@dataclass(frozen=True)
class Sample:
    """What the job holds at one moment."""

    state_events: int
    files: int
    memory_mib: int


def sample(arena: Arena) -> Sample:
    progress = arena.progress()
    assert progress is not None
    pids = arena.backend.pids("job")
    return Sample(
        state_events=progress["state_events"],
        files=sum(1 for _ in arena.backend.checkpoint.rglob("*")),
        memory_mib=sum(psutil.Process(pid).memory_info().rss for pid in pids) >> 20,
    )


@pytest.fixture(scope="module", params=["embedded", "local"])
def running(arenas: Arenas, request: pytest.FixtureRequest) -> Callable[[], Arena]:
    """Topics are not called quiet between two sets: event time would jump, and windows would not close."""
    return partial(arenas.get, request.param, "soak", idle_s=120)


@pytest.mark.on_demand
def test_soak(arena: Arena, request: pytest.FixtureRequest) -> None:
    """What the job keeps in state and in files does not grow, and memory stays within the heap and what Java needs."""
    minutes = request.config.getoption("--minutes")
    samples: list[Sample] = []
    ends = time.monotonic() + minutes * 60
    with arena.load(rate=1000, count=10_000):
        while time.monotonic() < ends:
            arena.pass_time(5)
            samples.append(sample(arena))
    # The first fifth is the start: the heap and the checkpoint fill up to what they keep.
    lasting = samples[len(samples) // 5 :]
    early, late = lasting[: len(lasting) // 2], lasting[len(lasting) // 2 :]
    for name in ("state_events", "files"):
        before, after = (max(getattr(each, name) for each in half) for half in (early, late))
        arena.note(f"{name}: at most {before}, later at most {after}")
        assert after <= SLACK * before, samples
    most = max(each.memory_mib for each in lasting)
    arena.note(f"memory: at most {most} MiB")
    assert most < 6 * 1024, samples
    arena.check()
