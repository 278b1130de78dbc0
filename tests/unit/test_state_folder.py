"""Whose an environment's state is, and what becomes of a supervisor whose state was removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import psutil
import pytest

from tandem import checkout
from tandem.platforms.local_services.layout import Layout
from tandem.settings.load import load
from tandem.supervision import logs, runner
from tandem.supervision.runner import ServiceRunner
from tandem.supervision.state_file import StateFile, read_states
from tandem.supervision.supervisor import supervise
from tests.unit.test_process import wait_until
from tests.unit.test_runner import Sleeping, shown

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


def test_a_repository_ignores_the_state_in_it(tmp_path: Path) -> None:
    def untracked() -> str:
        git = ("git", "-C", str(tmp_path), "status", "--porcelain", "--untracked-files=all")
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout

    subprocess.run(("git", "init", "--quiet", str(tmp_path)), check=True)
    (tmp_path / "tandem.toml").touch()
    layout = Layout(tmp_path / ".tandem" / "embedded")
    layout.create()
    layout.log("kafka").touch()
    assert untracked() == "?? tandem.toml\n"
    (layout.home / ".gitignore").unlink()
    assert "?? .tandem/embedded/logs/kafka.log\n" in untracked()
    layout.create()
    assert untracked() == "?? tandem.toml\n"


@pytest.fixture
def states(layout: Layout) -> StateFile:
    return StateFile(layout.state)


def supervising_thread(
    layout: Layout, states: StateFile, runners: tuple[ServiceRunner, ...], signals: SimpleQueue[int]
) -> threading.Thread:
    """Returns the thread in which a supervisor runs some services."""

    def run() -> None:
        with layout.locked() as lock:
            assert lock is not None
            supervise(runners, None, layout, states, signals, lock)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("again", [False, True])
def test_a_supervisor_whose_state_was_removed_ends_everything(
    layout: Layout, states: StateFile, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Also when another environment has its state there already: what is of that one is not touched."""
    monkeypatch.setattr(runner, "AT_ONCE_S", 0.2)
    stubborn = ("bash", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    patient = Sleeping("mongod", stubborn)
    patient.stop_deadline_s = 600
    runners = (ServiceRunner(patient, layout, states), ServiceRunner(Sleeping("kafka"), layout, states))
    supervising = supervising_thread(layout, states, runners, SimpleQueue())
    pids = [shown(layout, each.service.name, "running").pid or 0 for each in runners]
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


def test_a_log_is_bounded_while_its_program_runs(
    layout: Layout, states: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 20_000)
    signals: SimpleQueue[int] = SimpleQueue()
    chatty = ("bash", "-c", "while :; do echo it says something, again and again; sleep 0.0005; done")
    runners = (ServiceRunner(Sleeping("kafka", chatty), layout, states),)
    supervising = supervising_thread(layout, states, runners, signals)
    try:
        shown(layout, "kafka", "running")
        log = layout.log("kafka")
        wait_until(lambda: logs.rotated(log).exists() and log.stat().st_size > 0)
        pid = read_states(layout.state)["kafka"].pid
        logs.rotated(log).unlink()
        wait_until(lambda: logs.rotated(log).exists())
        assert read_states(layout.state)["kafka"].pid == pid
    finally:
        signals.put(15)
        supervising.join(20)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not [child for child in psutil.Process().children() if child.name() in ("sleep", "bash")]
