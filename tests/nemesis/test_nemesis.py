"""A seeded mix of all faults with quiet periods: `scripts/test nemesis --minutes 30 --seed 2`."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.faults.arena import Arena

SERVICES = ("job", "kafka", "mongo")
FAULTS = ("kill", "kill", "stop", "freeze", "quiet")


def test_nemesis(arena: Arena, request: pytest.FixtureRequest) -> None:
    minutes, seed = request.config.getoption("--minutes"), request.config.getoption("--seed")
    chance = random.Random(seed)
    arena.note(f"seed {seed}, {minutes:g} minutes")
    ends = time.monotonic() + minutes * 60
    with arena.load():
        while time.monotonic() < ends:
            service, fault = chance.choice(SERVICES), chance.choice(FAULTS)
            arena.pass_time(chance.uniform(0, 6))
            if fault == "quiet":
                arena.pass_time(chance.uniform(5, 15))
                continue
            if fault == "freeze":
                with arena.frozen(service):
                    arena.pass_time(chance.uniform(1, 25))
                since = arena.signal(service, signal.SIGCONT)
            else:
                since = arena.signal(service, signal.SIGKILL if fault == "kill" else signal.SIGTERM)
            arena.recovered(since)
    arena.check()
