"""A seeded mix of all faults with quiet periods: `scripts/test nemesis --minutes 30 --seed 2`."""

from __future__ import annotations

import random
import signal
import time
from datetime import UTC, datetime

import pytest

from tests.faults.arena import Arena
from tests.faults.proxy import Proxy

SERVICES = ("job", "kafka", "mongo")
# What only a proxy can do.
NETWORK = ("swallow", "cut", "reset", "slow")
FAULTS = ("kill", "kill", "stop", "freeze", "quiet", *NETWORK)
pytestmark = pytest.mark.by_name


def disturb(arena: Arena, proxy: Proxy, service: str, fault: str, seconds: float) -> datetime:
    """Returns when the network was as good as before."""
    arena.note(f"{fault} between the others and {service} for {seconds:.0f} s")
    if fault == "slow":
        proxy.slow(0.1)
    else:
        {"swallow": proxy.swallow, "cut": proxy.cut, "reset": proxy.reset}[fault]()
    arena.pass_time(seconds)
    proxy.heal()
    return datetime.now(UTC)


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
            proxy = arena.proxies.get(service)
            if fault in NETWORK:
                if proxy is None:
                    continue
                since = disturb(arena, proxy, service, fault, chance.uniform(1, 20))
            elif fault == "freeze":
                with arena.frozen(service):
                    arena.pass_time(chance.uniform(1, 25))
                since = arena.signal(service, signal.SIGCONT)
            else:
                since = arena.signal(service, signal.SIGKILL if fault == "kill" else signal.SIGTERM)
            arena.recovered(since)
    arena.check()
