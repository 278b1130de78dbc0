"""How a runner starts, restarts, gives up and stops services, with real processes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from tandem.pipeline_registry import PipelineRegistry
from tandem.platforms.local_services.dashboard import Dashboard
from tandem.platforms.local_services.job_runners import JobRunners
from tandem.platforms.local_services.layout import Layout
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.supervision import restart_policy
from tandem.supervision.runner import ServiceRunner
from tandem.supervision.service import Service
from tandem.supervision.state_file import ServiceState, StateFile, read_states
from tandem.supervision.supervisor import supervise
from tandem.waiting import NotYetError, wait_for


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path)
    found.create()
    return found


@pytest.fixture
def states(layout: Layout) -> StateFile:
    return StateFile(layout.state)


class Sleeping(Service):
    """A program that does nothing but run."""

    start_deadline_s = 10.0
    stop_deadline_s = 5.0

    def __init__(self, name: str, command: Sequence[str] = ("sleep", "600")) -> None:
        super().__init__(name, command, dict(os.environ))


def shown(layout: Layout, name: str, state: str) -> ServiceState:
    def probe() -> ServiceState:
        if (found := read_states(layout.state, (name,))[name]).state != state:
            raise NotYetError(str(found))
        return found

    return wait_for(name, probe, deadline_s=20, hint="", interval_s=0.02)


def test_the_command_of_a_service_is_a_detail(layout: Layout, states: StateFile) -> None:
    """It has thousands of characters, and the bench runs services in the process of its terminal."""
    running = ServiceRunner(Sleeping("kafka"), layout, states)
    with capture_logs() as logged:
        running.start()
        shown(layout, "kafka", "running")
        running.stop()
    assert [each["log_level"] for each in logged if "sleep 600" in str(each)] == ["debug"]


def given_up(service: ServiceRunner, layout: Layout) -> ServiceState:
    """Starts it and returns what is shown once it was given up."""
    service.start()
    try:
        found = shown(layout, service.service.name, "failed")
    finally:
        service.stop()
    assert found.restarts == restart_policy.MAX_FAILURES - 1
    return found


def test_a_program_that_fails_in_an_unforeseen_way_is_kept_until_it_is_given_up(
    layout: Layout, states: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "MAX_BACKOFF_S", 0.01)

    class Broken(Sleeping):
        def prepare(self) -> None:
            raise ValueError("nobody has thought of it")

    found = given_up(ServiceRunner(Broken("kafka"), layout, states), layout)
    assert found.error == "was given up: ValueError: nobody has thought of it"


def test_a_dashboard_whose_port_is_busy_starts_once_it_is_free(
    layout: Layout, states: StateFile, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried more often than other services before they are given up, and says the same thing once."""
    monkeypatch.setattr(restart_policy, "MAX_BACKOFF_S", 0.01)
    settings = load("embedded", {"state_dir": layout.home, "ui": {"dashboard_port": free_port}})
    page = Dashboard(settings, layout)
    page.command = ("sleep", "600")
    monkeypatch.setattr(page, "probe", lambda _: None)
    running = ServiceRunner(page, layout, states)
    with socket.create_server(("127.0.0.1", free_port)), capture_logs() as logged:
        running.start()

        def probe() -> None:
            if read_states(layout.state, ("dashboard",))["dashboard"].restarts <= 2 * restart_policy.MAX_FAILURES:
                raise NotYetError("it is not tried often enough yet")

        wait_for("attempts", probe, deadline_s=20, hint="")
        found = shown(layout, "dashboard", "starting")
        assert "TANDEM_UI__DASHBOARD_PORT" in (found.trouble or "")
        assert len([entry for entry in logged if entry["log_level"] == "warning"]) == 1
    try:
        assert shown(layout, "dashboard", "running").trouble is None
    finally:
        running.stop()


def test_a_driver_that_cannot_be_made_keeps_no_other_from_starting(layout: Layout, states: StateFile) -> None:
    def make(settings: Settings) -> Service:
        if settings.pipeline == "orders_payments":
            raise ValueError("nobody has thought of it")
        return Sleeping("job-b")

    registry = PipelineRegistry(layout.pipelines)
    for name in ("orders_payments", "segment_revenue"):
        registry.add(load("embedded", {"pipeline": name, "state_dir": layout.home}))
    drivers = JobRunners(registry, make, layout, states, lambda: None)
    drivers.update()
    try:
        shown(layout, "job-b", "running")
    finally:
        drivers.stop()


class Early(Sleeping):
    needs = ("kafka",)
    starts_early = True


def test_a_program_may_start_before_what_it_needs_and_begins_after_it(layout: Layout, states: StateFile) -> None:
    needed = ServiceRunner(Sleeping("kafka"), layout, states)
    begun: list[bool] = []

    class Driver(Early):
        def on_needs_ready(self) -> None:
            begun.append(needed.is_ready)

    running = ServiceRunner(Driver("job"), layout, states, (needed,))
    running.start()
    try:
        assert shown(layout, "job", "starting").pid
        assert not begun
        needed.start()
        shown(layout, "job", "running")
    finally:
        running.stop()
        needed.stop()
    assert begun == [True]


def test_a_program_that_dies_while_it_waits_to_begin_is_started_again(
    layout: Layout, states: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_policy, "MAX_BACKOFF_S", 0.01)
    needed = ServiceRunner(Sleeping("kafka"), layout, states)
    given_up(ServiceRunner(Early("job", ("false",)), layout, states, (needed,)), layout)


class Silent(Sleeping):
    """A program that never becomes ready."""

    def probe(self, _pid: int, /) -> None:
        raise NotYetError("it does not answer")


@pytest.mark.parametrize("name", ["ILL", "SEGV", "BUS", "ABRT", "FPE", "TRAP", "SYS", "XFSZ", "XCPU"])
def test_a_program_that_crashes_before_it_is_ready_is_given_up(
    layout: Layout, states: StateFile, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(restart_policy, "MAX_BACKOFF_S", 0.01)
    crashing = Silent("mongod", ("bash", "-c", f"ulimit -c 0; kill -{name} $$"))
    found = given_up(ServiceRunner(crashing, layout, states), layout)
    assert (found.error or "").startswith(f"was given up: crashed with SIG{name}")


def test_a_program_that_never_becomes_ready_is_given_up(
    layout: Layout, states: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must be ended each time, by a signal of ours; that is none from outside."""
    monkeypatch.setattr(restart_policy, "MAX_BACKOFF_S", 0.01)
    silent = Silent("kafka")
    silent.start_deadline_s = 0.1
    found = given_up(ServiceRunner(silent, layout, states), layout)
    assert "kafka to be ready; seen last: it does not answer" in (found.error or "")


def signalled(layout: Layout, states: StateFile, sent: signal.Signals, times: int) -> Iterator[int]:
    """Sends a signal to a program each time when it is ready; yields the number of the signals so far."""
    running = ServiceRunner(Sleeping("mongod", ("bash", "-c", "ulimit -c 0; exec sleep 600")), layout, states)
    running.start()
    try:
        for number in range(times):
            os.kill(restarted(layout, "mongod", number), sent)
            yield number + 1
    finally:
        running.stop()


@pytest.mark.parametrize("sent", [signal.SIGABRT, signal.SIGSEGV, signal.SIGILL, signal.SIGSYS])
def test_a_program_that_crashes_soon_after_it_was_ready_is_given_up(
    layout: Layout, states: StateFile, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
) -> None:
    """As a MongoDB does whose first query needs an instruction that this processor lacks."""
    monkeypatch.setattr(restart_policy, "MAX_BACKOFF_S", 0.01)
    for number in signalled(layout, states, sent, restart_policy.MAX_FAILURES):
        if number == restart_policy.MAX_FAILURES:
            found = shown(layout, "mongod", "failed")
            assert (found.error or "").startswith(f"was given up: crashed with {sent.name}")


@pytest.mark.parametrize(
    ("sent", "good_run_s"), [(signal.SIGKILL, 60.0), (signal.SIGTERM, 60.0), (signal.SIGABRT, 0.0)]
)
def test_a_program_that_is_killed_or_has_run_well_is_started_again(
    layout: Layout, states: StateFile, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals, good_run_s: float
) -> None:
    monkeypatch.setattr(restart_policy, "MAX_BACKOFF_S", 0.01)
    monkeypatch.setattr(restart_policy, "GOOD_RUN_S", good_run_s)
    for number in signalled(layout, states, sent, restart_policy.MAX_FAILURES + 1):
        restarted(layout, "mongod", number)


def restarted(layout: Layout, name: str, restarts: int) -> int:
    """Returns the process of a service that runs after so many restarts."""

    def probe() -> int:
        found = read_states(layout.state, (name,))[name]
        if (found.state, found.restarts) != ("running", restarts) or found.pid is None:
            raise NotYetError(str(found))
        return found.pid

    return wait_for(name, probe, deadline_s=20, hint="", interval_s=0.02)


def test_a_program_that_cannot_run_here_is_started_once(layout: Layout, states: StateFile) -> None:
    class Ends(Silent):
        def explain(self, code: int, output: str, /) -> str | None:
            return f"{code}, since it is {output.strip()}"

    running = ServiceRunner(Ends("mongod", ("bash", "-c", "echo of another version; exit 62")), layout, states)
    running.start()
    try:
        found = shown(layout, "mongod", "failed")
    finally:
        running.stop()
    assert (found.error, found.restarts) == ("was given up: 62, since it is of another version", 0)


def test_a_restart_that_a_start_has_done_already_excuses_no_crash(layout: Layout, states: StateFile) -> None:
    """It is asked for while the program is being started anyway."""
    asked: list[bool] = []

    class Restarting(Sleeping):
        def prepare(self) -> None:
            if not asked:
                asked.append(True)
                running.restart()

    running = ServiceRunner(Restarting("job"), layout, states)
    running.start()
    try:
        os.kill(restarted(layout, "job", 0), signal.SIGKILL)
        restarted(layout, "job", 1)
    finally:
        running.stop()


def test_a_restart_with_another_service_starts_that_one(layout: Layout, states: StateFile) -> None:
    """Also when the first one is about to start."""
    second = Sleeping("job", ("sleep", "601"))

    class First(Sleeping):
        def prepare(self) -> None:
            running.restart(second)

    running = ServiceRunner(First("job"), layout, states)
    running.start()
    try:
        assert psutil.Process(restarted(layout, "job", 0)).cmdline() == ["sleep", "601"]
    finally:
        running.stop()


def test_a_service_is_stopped_while_it_starts(layout: Layout, states: StateFile) -> None:
    running = ServiceRunner(Silent("kafka"), layout, states)
    running.start()
    assert shown(layout, "kafka", "starting").pid
    running.stop()
    assert shown(layout, "kafka", "stopped").restarts == 0


class Broken(SimpleQueue[int]):
    """Fails once the service runs."""

    def __init__(self, wait: Callable[[], object]) -> None:
        self._wait = wait

    def get(self, *_: Any, **__: Any) -> int:
        self._wait()
        raise ValueError("nobody has thought of it")


def test_whatever_ends_the_supervisor_ends_the_services(layout: Layout, states: StateFile) -> None:
    runners = (ServiceRunner(Sleeping("kafka"), layout, states),)
    pids: list[int | None] = []
    signals = Broken(lambda: pids.append(shown(layout, "kafka", "running").pid))
    with layout.locked() as lock:
        assert lock is not None
        with pytest.raises(ValueError, match="nobody"):
            supervise(runners, None, layout, states, signals, lock)
    assert shown(layout, "kafka", "stopped")
    assert not psutil.pid_exists(pids[0] or 0)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not [child for child in psutil.Process().children() if child.name() == "sleep"]


@pytest.mark.parametrize(
    ("code", "was_ready", "is_given_up"),
    [
        (0, True, False),
        (-signal.SIGKILL, True, False),
        (1, True, True),
        (0, False, True),
        (-signal.SIGTERM, True, False),
        (-signal.SIGTERM, False, False),
        (-signal.SIGSTOP, False, False),
        *((-crash, was_ready, True) for crash in sorted(restart_policy.CRASHES) for was_ready in (False, True)),
    ],
)
def test_an_orderly_end_after_a_storm_of_kills_is_not_a_failure(code: int, was_ready: bool, is_given_up: bool) -> None:
    killed = restart_policy.ServiceRun(code=-signal.SIGKILL)
    failures = 0
    for _ in range(9):
        failures = restart_policy.failures_after(killed, failures, ())
    ready_at = time.monotonic() - 1 if was_ready else None
    ended = restart_policy.failures_after(restart_policy.ServiceRun(code=code, ready_at=ready_at), failures, ())
    assert (ended >= restart_policy.MAX_FAILURES) is is_given_up
