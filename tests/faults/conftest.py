"""The arenas that cases run in, one at a time; every case is a line of the table at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import pytest

from tandem.platforms import possible_profile
from tandem.settings.load import load
from tests import STATE
from tests.environment import Environment
from tests.faults.arena import Arena, Case
from tests.faults.backends import Backend, ContainerProcesses, Processes
from tests.faults.proxy import Proxy

FAULT_STATE = STATE / "faults"
PROJECT = "tandem-tests-faults"
# Each case is judged by all records of its arena: with more than these, a start costs less than to read them again.
MANY = 200_000
_CASES: list[Case] = []


def environment_of(profile: str, idle_s: int = 5) -> Environment:
    """Returns the environment that faults are injected into, or skips."""
    idle = ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", str(idle_s))
    if profile == "embedded":
        if shutil.which("java") is None:
            pytest.skip("no java on PATH: the embedded environment needs Java 17 or newer")
        return Environment(FAULT_STATE / profile, 29800, (idle,))
    found, why = possible_profile()
    if found != "local":
        pytest.skip(f"{why}: no faults are injected into containers")
    ca = load("local").ca
    extra = (
        ("TANDEM_PROJECT", PROJECT),
        ("TANDEM_IMAGES", "built"),
        idle,
        *((("TANDEM_CA", str(ca)),) if ca else ()),
    )
    return Environment(FAULT_STATE / profile, 29810, extra, "local")


def backend_of(environment: Environment) -> Backend:
    """Returns the programs of an environment that faults are injected into."""
    return Processes(environment.home) if environment.profile == "embedded" else ContainerProcesses(PROJECT)


@contextmanager
def arena_of(profile: str, *, behind_proxies: bool = False, idle_s: int = 5) -> Iterator[Arena]:
    """Yields an environment with a database that was empty at first.

    Args:
        profile: ``embedded`` or ``local``.
        behind_proxies: every client reaches Kafka and MongoDB through a proxy. Of the embedded profile only.
        idle_s: after how many seconds a quiet topic gets a control record.
    """
    environment = environment_of(profile, idle_s)
    proxies: dict[str, Proxy] = {}
    if behind_proxies:
        environment, proxies = proxied(environment)
    ledgers = environment.home / "ledgers"
    shutil.rmtree(ledgers, ignore_errors=True)
    with environment.started():
        arena = Arena(environment, backend_of(environment), ledgers, proxies)
        try:
            yield arena
        finally:
            arena.watcher.end()
            for proxy in proxies.values():
                proxy.end()


def proxied(environment: Environment) -> tuple[Environment, dict[str, Proxy]]:
    """Returns the environment with proxies, which run, before Kafka and MongoDB; the watcher does not use them."""
    first = environment.first_port
    proxies = {"kafka": Proxy(first + 6, first), "mongo": Proxy(first + 7, first + 2)}
    for proxy in proxies.values():
        proxy.begin()
    addresses = (
        ("TANDEM_KAFKA__BOOTSTRAP", f"127.0.0.1:{first + 6}"),
        ("TANDEM_MONGO__URI", f"mongodb://127.0.0.1:{first + 7}/?directConnection=true"),
    )
    return replace(environment, extra=(*environment.extra, *addresses)), proxies


class Arenas:
    """At most one arena at a time, as two would slow each other; whoever wants the same gets the one that runs."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._arena: Arena | None = None
        self._key: tuple[str, str] | None = None
        self._failed: set[tuple[str, str]] = set()

    def get(self, profile: str, of: str, *, behind_proxies: bool = False, idle_s: int = 5) -> Arena:
        """Returns a running arena: a new one where the last case has left too much, or what no other may be judged by.

        Args:
            profile: as for ``arena_of``.
            of: who shares it.
            behind_proxies: as for ``arena_of``.
            idle_s: as for ``arena_of``.
        """
        key = (profile, of)
        if self._arena is None or self._key != key or self._arena.is_spoilt or self._arena.case.consumed > MANY:
            self.end()
            # What does not start takes minutes to say so, and need not say it for each case.
            assert key not in self._failed, "this arena did not start before"
            started = arena_of(profile, behind_proxies=behind_proxies, idle_s=idle_s)
            try:
                self._arena, self._key = self._stack.enter_context(started), key
            except Exception:
                self._failed.add(key)
                raise
        return self._arena

    def end(self) -> None:
        self._arena = None
        self._stack.close()


@pytest.fixture(scope="package")
def arenas() -> Iterator[Arenas]:
    arenas = Arenas()
    yield arenas
    arenas.end()


@pytest.fixture(scope="package", params=["embedded", "local"])
def running(arenas: Arenas, request: pytest.FixtureRequest) -> Callable[[], Arena]:
    """The environment without anything between its programs; of the package, so that pytest sorts modules by it."""
    return partial(arenas.get, request.param, "all")


@pytest.fixture
def arena(running: Callable[[], Arena], request: pytest.FixtureRequest) -> Arena:
    """The environment, with a line of the table for this case."""
    arena = running()
    arena.case = Case(request.node.name.removeprefix("test_"), arena.environment.profile)
    _CASES.append(arena.case)
    return arena


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _CASES:
        return
    terminalreporter.section("faults injected")
    rows = ["| case | profile | injected | back after | records accounted for |", "|---|---|---|---|---|"]
    for case in _CASES:
        seconds = ", ".join(f"{each:.0f} s" for each in case.recovery_s) or "-"
        terminalreporter.line(f"{case.name}: recovery {seconds}; {case.consumed} records accounted for")
        if terminalreporter.verbosity > 0:
            for line in case.injected:
                terminalreporter.line(f"    {line}")
        faults = [line.split(" s  ", 1)[1] for line in case.injected]
        injected = "; ".join(line for line in faults if not line.startswith("recovered"))
        rows.append(f"| {case.name.replace('_', ' ')} | {case.profile} | {injected} | {seconds} | {case.consumed:,} |")
    # What is published in docs/results/faults.md.
    FAULT_STATE.mkdir(parents=True, exist_ok=True)
    (FAULT_STATE / "table.md").write_text("\n".join(rows) + "\n", "utf-8")
