"""Whose an environment's state is, and what becomes of a supervisor whose state was removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import psutil
import pytest

from tandem import checkout
from tandem.platforms.embedded import process, service, supervisor
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.service import Keeper
from tandem.platforms.embedded.state import Board, read_states
from tandem.settings.load import load
from tests.unit.test_keeper import program, shown
from tests.unit.test_process import wait_until

ROOT = Path(__file__).parents[2]


def test_state_belongs_to_the_checkout_wherever_a_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TANDEM_STATE_DIR", raising=False)
    for folder in (ROOT, ROOT / "src", tmp_path):
        monkeypatch.chdir(folder)
        assert load("embedded").state_dir == ROOT / ".tandem"
        assert load("rehearsal").mongo.ca == ROOT / ".tandem" / "rehearsal" / "certificates" / "ca.pem"
    monkeypatch.setenv("TANDEM_STATE_DIR", "here")
    assert load("embedded").state_dir == tmp_path / "here"


def test_without_a_checkout_state_belongs_to_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setattr(checkout, "checkout", lambda: None)
    assert checkout.state_folder() == inner / ".tandem"
    (tmp_path / "a" / ".git").touch()
    assert checkout.state_folder() == tmp_path / "a" / ".tandem"


@pytest.mark.parametrize("options", [(), ("--volumes",)])
def test_down_says_that_nothing_runs_and_where_it_looked(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "tandem", "--profile", "embedded", "down", *options),
        env={**os.environ, "TANDEM_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing is running here" in done.stderr
    assert str(tmp_path / "embedded") in done.stderr
    assert "\nstopped" not in done.stderr


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "embedded")
    found.create()
    return found


@pytest.fixture
def board(layout: Layout) -> Board:
    return Board(layout.state, ())


def supervise(layout: Layout, board: Board, keepers: tuple[Keeper, ...], signals: SimpleQueue[int]) -> threading.Thread:
    """Returns the thread in which a supervisor keeps some services."""
    cast = supervisor.Cast(lambda _: layout, lambda _, __: None, lambda *_: keepers)  # type: ignore[arg-type, return-value]

    def run() -> None:
        with layout.locked() as lock:
            assert lock is not None
            supervisor._supervise(cast, None, None, layout, board, signals, lock)  # type: ignore[arg-type]

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("again", [False, True])
def test_a_supervisor_whose_state_was_removed_ends_everything(
    layout: Layout, board: Board, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Also when another environment has its state there already: what is of that one is not touched."""
    monkeypatch.setattr(service, "_HASTE_S", 0.2)
    stubborn = ("bash", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    keepers = (
        Keeper(program("kafka"), layout, board),
        Keeper(replace(program("mongod"), command=stubborn, stop_deadline_s=600), layout, board),
    )
    supervising = supervise(layout, board, keepers, SimpleQueue())
    pids = [shown(layout, keeper.program.name, "running").pid or 0 for keeper in keepers]
    shutil.rmtree(layout.home)
    if again:
        layout.create()
        with layout.locked() as lock:
            assert lock
            layout.pid("kafka").write_text("another one's")
            supervising.join(20)
        assert layout.pid("kafka").read_text() == "another one's"
        assert not layout.state.exists()
    else:
        supervising.join(20)
        assert not layout.home.exists()
    assert not supervising.is_alive()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_log_is_bounded_while_its_program_runs(layout: Layout, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_LOG_BYTES", 20_000)
    signals: SimpleQueue[int] = SimpleQueue()
    chatty = ("bash", "-c", "while :; do echo it says something, again and again; sleep 0.0005; done")
    keeper = Keeper(replace(program("kafka"), command=chatty), layout, board)
    supervising = supervise(layout, board, (keeper,), signals)
    try:
        shown(layout, "kafka", "running")
        log = layout.log("kafka")
        wait_until(lambda: process.rotated(log).exists() and log.stat().st_size > 0)
        pid = read_states(layout.state)["kafka"].pid
        process.rotated(log).unlink()
        wait_until(lambda: process.rotated(log).exists())
        assert read_states(layout.state)["kafka"].pid == pid
    finally:
        signals.put(15)
        supervising.join(20)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not [child for child in psutil.Process().children() if child.name() in ("sleep", "bash")]
