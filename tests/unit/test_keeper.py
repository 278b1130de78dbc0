"""What becomes of the services when something happens that nobody foresaw."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil
import pytest

from tandem.pipeline_registry import PipelineRegistry
from tandem.platforms.embedded import dashboard, service, supervisor
from tandem.platforms.embedded.drivers import Drivers
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.service import Keeper, Program
from tandem.platforms.embedded.state import Board, ServiceState, read_states
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path)
    found.create()
    return found


@pytest.fixture
def board(layout: Layout) -> Board:
    return Board(layout.state, ())


def program(name: str, write: Callable[[], None] = lambda: None) -> Program:
    """Returns one that does nothing but run."""
    return Program(
        name=name,
        command=("sleep", "600"),
        env=dict(os.environ),
        write=write,
        probe=lambda _: None,
        retry_on=(),
        settle=lambda: None,
        start_deadline_s=10,
        stop_deadline_s=5,
    )


def shown(layout: Layout, name: str, state: str) -> ServiceState:
    def probe() -> ServiceState:
        if (found := read_states(layout.state, (name,))[name]).state != state:
            raise NotYetError(str(found))
        return found

    return wait_for(name, probe, deadline_s=20, hint="", interval_s=0.02)


def given_up(keeper: Keeper, layout: Layout) -> ServiceState:
    """Starts it and returns what is shown once it was given up."""
    keeper.start()
    try:
        found = shown(layout, keeper.program.name, "failed")
    finally:
        keeper.stop()
    assert found.restarts == service.MAX_BAD_RUNS - 1
    return found


def test_a_program_that_fails_in_an_unforeseen_way_is_kept_until_it_is_given_up(
    layout: Layout, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MAX_BACKOFF_S", 0.01)

    def write() -> None:
        raise ValueError("nobody has thought of it")

    found = given_up(Keeper(program("kafka", write), layout, board), layout)
    assert found.error == "was given up: ValueError: nobody has thought of it"


def test_a_dashboard_whose_port_is_busy_starts_once_it_is_free(
    layout: Layout, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried more often than other services before they are given up, and says the same thing once."""
    monkeypatch.setattr(service, "_MAX_BACKOFF_S", 0.01)
    port, said = 29459, []
    monkeypatch.setattr(service._log, "warning", lambda *_, error, **__: said.append(error), raising=False)
    settings = load("embedded", {"state_dir": layout.home, "ui": {"dashboard_port": port}})
    page = dashboard.program(settings, layout)
    keeper = Keeper(replace(page, command=("sleep", "600"), probe=lambda _: None), layout, board)
    with socket.create_server(("127.0.0.1", port)):
        keeper.start()

        def probe() -> None:
            if read_states(layout.state, ("dashboard",))["dashboard"].restarts <= 2 * service.MAX_BAD_RUNS:
                raise NotYetError("it is not tried often enough yet")

        wait_for("attempts", probe, deadline_s=20, hint="")
        found = shown(layout, "dashboard", "starting")
        assert "TANDEM_UI__DASHBOARD_PORT" in (found.trouble or "")
        assert len(said) == 1
    try:
        assert shown(layout, "dashboard", "running").trouble is None
    finally:
        keeper.stop()


def test_a_driver_that_cannot_be_made_keeps_no_other_from_starting(layout: Layout, board: Board) -> None:
    def make(settings: Settings) -> Keeper:
        if settings.pipeline == "orders_payments":
            raise ValueError("nobody has thought of it")
        return Keeper(program("job-b"), layout, board)

    registry = PipelineRegistry(layout.pipelines)
    for name in ("orders_payments", "segment_revenue"):
        registry.add(load("embedded", {"pipeline": name, "state_dir": layout.home}))
    drivers = Drivers(registry, make, board, lambda: None)
    drivers.look()
    try:
        shown(layout, "job-b", "running")
    finally:
        drivers.stop()


def test_a_program_may_start_before_what_it_needs_and_begins_after_it(layout: Layout, board: Board) -> None:
    needed = Keeper(program("kafka"), layout, board)
    begun: list[bool] = []
    driver = replace(program("job"), begin=lambda: begun.append(needed.ready.is_set()))
    keeper = Keeper(driver, layout, board, needs=(needed,))
    keeper.start()
    try:
        assert shown(layout, "job", "starting").pid
        assert not begun
        needed.start()
        shown(layout, "job", "running")
    finally:
        keeper.stop()
        needed.stop()
    assert begun == [True]


def test_a_program_that_dies_while_it_waits_to_begin_is_started_again(
    layout: Layout, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MAX_BACKOFF_S", 0.01)
    needed = Keeper(program("kafka"), layout, board)
    driver = replace(program("job"), command=("false",), begin=lambda: None)
    given_up(Keeper(driver, layout, board, needs=(needed,)), layout)


def never(_pid: int) -> None:
    raise NotYetError("it does not answer")


@pytest.mark.parametrize("name", ["ILL", "SEGV", "BUS", "ABRT"])
def test_a_program_that_crashes_before_it_is_ready_is_given_up(
    layout: Layout, board: Board, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(service, "_MAX_BACKOFF_S", 0.01)
    crashing = replace(program("mongod"), command=("bash", "-c", f"ulimit -c 0; kill -{name} $$"), probe=never)
    found = given_up(Keeper(crashing, layout, board), layout)
    assert (found.error or "").startswith(f"was given up: crashed with SIG{name}")


def test_a_program_that_never_becomes_ready_is_given_up(
    layout: Layout, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must be ended each time, by a signal of ours; that is none from outside."""
    monkeypatch.setattr(service, "_MAX_BACKOFF_S", 0.01)
    silent = replace(program("kafka"), probe=never, start_deadline_s=0.1)
    found = given_up(Keeper(silent, layout, board), layout)
    assert "kafka to be ready; seen last: it does not answer" in (found.error or "")


def test_a_program_that_crashes_after_it_was_ready_is_started_again(
    layout: Layout, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MAX_BACKOFF_S", 0.01)
    keeper = Keeper(replace(program("mongod"), command=("bash", "-c", "ulimit -c 0; exec sleep 600")), layout, board)
    keeper.start()
    try:
        for restarts in range(service.MAX_BAD_RUNS + 1):
            pid = restarted(layout, "mongod", restarts)
            os.kill(pid, signal.SIGABRT)
        restarted(layout, "mongod", service.MAX_BAD_RUNS + 1)
    finally:
        keeper.stop()


def restarted(layout: Layout, name: str, restarts: int) -> int:
    """Returns the process of a service that runs after so many restarts."""

    def probe() -> int:
        found = read_states(layout.state, (name,))[name]
        if (found.state, found.restarts) != ("running", restarts) or found.pid is None:
            raise NotYetError(str(found))
        return found.pid

    return wait_for(name, probe, deadline_s=20, hint="", interval_s=0.02)


def test_a_program_that_cannot_run_here_is_started_once(layout: Layout, board: Board) -> None:
    ends = replace(
        program("mongod"),
        command=("bash", "-c", "echo of another version; exit 62"),
        probe=never,
        explain=lambda code, wrote: f"{code}, since it is {wrote.strip()}",
    )
    keeper = Keeper(ends, layout, board)
    keeper.start()
    try:
        found = shown(layout, "mongod", "failed")
    finally:
        keeper.stop()
    assert (found.error, found.restarts) == ("was given up: 62, since it is of another version", 0)


def test_a_restart_that_a_start_has_done_already_excuses_no_crash(layout: Layout, board: Board) -> None:
    """It is asked for while the program is being started anyway."""
    asked: list[bool] = []

    def write() -> None:
        if not asked:
            asked.append(True)
            keeper.restart()

    keeper = Keeper(program("job", write), layout, board)
    keeper.start()
    try:
        os.kill(restarted(layout, "job", 0), signal.SIGKILL)
        restarted(layout, "job", 1)
    finally:
        keeper.stop()


class Broken(SimpleQueue[int]):
    """Fails once the service runs."""

    def __init__(self, wait: Callable[[], object]) -> None:
        self._wait = wait

    def get(self, *_: Any, **__: Any) -> int:
        self._wait()
        raise ValueError("nobody has thought of it")


def test_whatever_ends_the_supervisor_ends_the_services(layout: Layout, board: Board) -> None:
    cast = supervisor.Cast(
        lambda _: layout,
        lambda _, __: None,
        lambda *_: (Keeper(program("kafka"), layout, board),),  # type: ignore[arg-type, return-value]
    )
    pids: list[int | None] = []
    signals = Broken(lambda: pids.append(shown(layout, "kafka", "running").pid))
    with layout.locked() as lock, pytest.raises(ValueError, match="nobody"):
        supervisor._supervise(cast, None, None, layout, board, signals, lock)  # type: ignore[arg-type]
    assert shown(layout, "kafka", "stopped")
    assert not psutil.pid_exists(pids[0] or 0)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not [child for child in psutil.Process().children() if child.name() == "sleep"]
