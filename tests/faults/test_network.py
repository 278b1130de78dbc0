"""What stands between the job and its services is slow, silent, broken, or breaks in the middle of a message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from tests.faults.arena import Arena
from tests.faults.conftest import Arenas

pytestmark = [pytest.mark.on_demand, pytest.mark.parametrize("service", ["kafka", "mongo"])]


@pytest.fixture(scope="module", params=["embedded"])
def running(arenas: Arenas) -> Callable[[], Arena]:
    """Processes behind proxies. In containers the job would reach them by names that only Compose can give."""
    return partial(arenas.get, "embedded", "network", behind_proxies=True)


def test_the_network_is_slow(arena: Arena, service: str) -> None:
    with arena.load():
        arena.proxies[service].slow(0.2)
        arena.note(f"each message to and from {service} takes 200 ms longer")
        arena.recovered(datetime.now(UTC))
        arena.pass_time(10)
        arena.proxies[service].heal()
    arena.check()


def test_the_network_swallows_everything(arena: Arena, service: str) -> None:
    with arena.load():
        arena.proxies[service].swallow()
        arena.note(f"nothing passes to and from {service} for 30 s")
        arena.pass_time(30)
        arena.proxies[service].heal()
        arena.recovered(datetime.now(UTC))
    arena.check()


def test_connections_are_reset(arena: Arena, service: str) -> None:
    with arena.load():
        for _ in range(5):
            arena.pass_time(1)
            arena.proxies[service].reset()
            arena.note(f"all connections to {service} reset")
        arena.recovered(datetime.now(UTC))
    arena.check()


def test_connections_are_reset_in_the_middle_of_a_message(arena: Arena, service: str) -> None:
    """A backlog makes fetches and bulks that are larger than what may still pass."""
    proxy = arena.proxies[service]
    arena.environment.wait("lag 0", arena.environment.caught_up)
    with arena.frozen("job"):
        arena.produce(count=20_000)
        proxy.reset_after(500_000)
    arena.environment.wait("the reset", proxy.was_reset)
    arena.note(f"all connections to {service} reset after 500,000 bytes")
    arena.recovered(datetime.now(UTC))
    arena.check()


def test_the_network_is_cut(arena: Arena, service: str) -> None:
    with arena.load():
        before = len(arena.environment.tandem("logs", "job").stdout.splitlines())
        arena.proxies[service].cut()
        arena.note(f"no connection to {service} for 20 s")
        arena.pass_time(20)
        said = arena.environment.tandem("logs", "job").stdout.splitlines()[before:]
        # It is said, and not for each of the clients' hundreds of attempts.
        assert 0 < len(said) < 60, "\n".join(said)
        arena.proxies[service].heal()
        arena.recovered(datetime.now(UTC))
    arena.check()
