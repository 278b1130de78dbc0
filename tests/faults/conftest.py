"""One arena for each backend and layer; every case is a line of the table at the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.platforms import default_profile
from tandem.settings.load import load
from tests.environment import Environment
from tests.faults.arena import Arena, Case
from tests.faults.backends import Backend, ContainerProcesses, Processes

ROOT = Path(__file__).parents[2]
STATE = ROOT / ".tandem" / "tests" / "faults"
PROJECT = "tandem-tests-faults"
_CASES: list[Case] = []


def environment_of(profile: str) -> Environment:
    """Returns the environment that faults are injected into, or skips."""
    if profile == "embedded":
        if shutil.which("java") is None:
            pytest.skip("no java on PATH: the embedded environment needs Java 17 or newer")
        return Environment(STATE / profile, 29800, (("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"),))
    found, why = default_profile()
    if found != "local":
        pytest.skip(f"{why}: no faults are injected into containers")
    ca = load("local").ca
    extra = (
        ("TANDEM_PROJECT", PROJECT),
        ("TANDEM_IMAGES", "built"),
        ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"),
        *((("TANDEM_CA", str(ca)),) if ca else ()),
    )
    return Environment(STATE / profile, 29810, extra, "local")


@pytest.fixture(scope="module", params=["embedded", "local"])
def running(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """The environment, with a database that was empty at first."""
    environment = environment_of(request.param)
    ledgers = environment.home / "ledgers"
    shutil.rmtree(ledgers, ignore_errors=True)
    with environment.started():
        backend: Backend = Processes(environment.home) if request.param == "embedded" else ContainerProcesses(PROJECT)
        arena = Arena(environment, backend, ledgers)
        try:
            yield arena
        finally:
            arena.watcher.end()


@pytest.fixture
def arena(running: Arena, request: pytest.FixtureRequest) -> Arena:
    """The environment, with a line of the table for this case."""
    running.case = Case(request.node.name.removeprefix("test_"), running.environment.profile)
    _CASES.append(running.case)
    return running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _CASES:
        return
    terminalreporter.section("faults injected")
    for case in _CASES:
        seconds = ", ".join(f"{each:.0f} s" for each in case.recovery_s) or "-"
        terminalreporter.line(f"{case.name}: recovery {seconds}; {case.consumed} records accounted for")
        if terminalreporter.verbosity > 0:
            for line in case.injected:
                terminalreporter.line(f"    {line}")
