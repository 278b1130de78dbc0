"""Keeps one program running: starts it, waits until it is ready, starts it again when it dies."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import structlog

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.embedded.layout import Layout, disk_is_full, is_full
from tandem.platforms.embedded.logs import end_of, essence, tells_of_full_disk
from tandem.platforms.embedded.process import Ending, Identity, end, forget, identify, remember, size_of, spawn
from tandem.platforms.embedded.state import Board
from tandem.waiting import wait_for

# A run that lasted so long was a good one; so many bad ones in a row and the program is given up.
GOOD_RUN_S = 60.0
MAX_BAD_RUNS = 5
_MAX_BACKOFF_S = 8.0
# What a program does to itself: an instruction that this processor does not have, a fault, an abort.
_CRASHES = frozenset({signal.SIGILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGTRAP})
# When the state folder is gone there is nothing to save.
_HASTE_S = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Program:
    """How one program is started, known to be ready and stopped.

    Attributes:
        name: the service's name.
        command: the command line.
        env: the whole environment.
        write: writes what the program reads; called before every start.
        probe: given the pid, returns when the program is ready; else raises ``NotYetError`` or one of ``retry_on``.
        retry_on: a client's exceptions that mean "not yet".
        settle: called once the program is ready, before anything that needs it is started.
        start_deadline_s: how long it may take to be ready.
        stop_deadline_s: how long it may take to end when asked to.
        linger_s: returns how long what it started may go on then, if it was ready, before it is killed.
        final_codes: exit codes after which it is not started again.
        explain: given how it ended and what it wrote, returns why it cannot run here, if that can be told. It is then
            not started again, unless it was ready before.
        on_ended: called when it was ready and it and all that it started have ended, because they were asked to.
        begin: lets a program go on that is started before what it needs is ready, which it then is; None for one that
            is started after that.
        optional: whether everything else works without it; then it is restarted however often it fails.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    write: Callable[[], None]
    probe: Callable[[int], None]
    retry_on: tuple[type[Exception], ...]
    settle: Callable[[], object]
    start_deadline_s: float
    stop_deadline_s: float
    linger_s: Callable[[], float] = lambda: 0.0
    on_ended: Callable[[], object] = lambda: None
    final_codes: frozenset[int] = frozenset()
    explain: Callable[[int, str], str | None] = lambda _code, _wrote: None
    begin: Callable[[], object] | None = None
    optional: bool = False


class Keeper:
    """Keeps one program running in a thread of its own.

    Args:
        program: what to keep.
        layout: where its log and its process id go.
        board: where its state is shown.
        needs: the keepers whose programs must be ready before each start of this one, or before it begins.
    """

    def __init__(self, program: Program, layout: Layout, board: Board, needs: Sequence[Keeper] = ()) -> None:
        self.program = program
        self.ready = threading.Event()
        self._layout, self._board, self._needs = layout, board, needs
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._identity: Identity | None = None
        self._ending, self._starting = threading.Lock(), threading.Lock()
        self._restarting = self._in_haste = False
        self._ready_at: float | None = None
        self._cannot_run = False
        self._code: int | None = None
        self._error: str | None = None
        self._thread = threading.Thread(target=self._keep, name=program.name, daemon=True)

    def start(self) -> None:
        """Starts to keep the program."""
        self._thread.start()

    def stop(self, *, in_haste: bool = False) -> None:
        """Ends the program and waits until it has ended.

        Args:
            in_haste: give it a few seconds only, whatever its deadline.
        """
        self._in_haste |= in_haste
        self._stopping.set()
        self._wake.set()
        self._end()
        self._thread.join()
        self._board.show(self.program.name, state="stopped", pid=None)

    def restart(self) -> None:
        """Ends the program; it is then started anew, also when it was given up."""
        with self._starting:
            self._restarting = True
        self._wake.set()
        self._end()

    def _keep(self) -> None:
        name, bad_runs = self.program.name, 0
        while not self._stopping.is_set():
            if self.program.begin is None:
                self._await_needs(self._stopping.is_set)
            self._ready_at, self._code, self._cannot_run = None, None, False
            try:
                error = self._run_once()
            except (TandemError, OSError) as problem:
                error = str(problem)
            except Exception as problem:  # else nobody would keep it any more, or say so
                _log.exception("a service failed in a way that was not foreseen", service=name)
                error = f"{type(problem).__name__}: {problem}"
            if self._stopping.is_set():
                return
            self._wake.clear()
            if not self._restarting:
                bad_runs = self._count(bad_runs)
                self._pause(error, bad_runs)
            if self._restarting:
                self._restarting, bad_runs = False, 0
                self._board.show(name, state="starting", pid=None, error=None)

    def _count(self, bad_runs: int) -> int:
        """Returns the number of bad runs in a row, the last one included."""
        lasted = 0.0 if self._ready_at is None else time.monotonic() - self._ready_at
        by_signal = self._code is not None and self._code < 0
        bad_runs = 1 if lasted >= GOOD_RUN_S or (by_signal and lasted > 0) else bad_runs + 1
        if by_signal and -(self._code or 0) not in _CRASHES:
            # What was killed from outside has done nothing wrong, however often.
            return min(bad_runs, MAX_BAD_RUNS - 1)
        return MAX_BAD_RUNS if self._cannot_run or self._code in self.program.final_codes else bad_runs

    def _pause(self, error: str, bad_runs: int) -> None:
        name, optional = self.program.name, self.program.optional
        # One that is restarted without end says the same thing once.
        if not optional or error != self._error:
            _log.warning("a service failed", service=name, error=error, failures=bad_runs)
        self._error = error
        if bad_runs >= MAX_BAD_RUNS and not optional:
            self._board.show(name, state="failed", pid=None, error=f"was given up: {error}")
            while not self._restarting and not self._stopping.is_set():
                self._wake.wait(1)
        else:
            self._board.show(name, state="starting", pid=None, error=error, restarted=True)
            self._wake.wait(min(0.5 * 2 ** (min(bad_runs, MAX_BAD_RUNS) - 1), _MAX_BACKOFF_S))

    def _await_needs(self, in_vain: Callable[[], bool]) -> bool:
        """Returns whether all are ready, or that it is in vain to wait for them."""
        return all(self._await_need(need, in_vain) for need in self._needs)

    def _await_need(self, need: Keeper, in_vain: Callable[[], bool]) -> bool:
        while not need.ready.wait(0.2):
            if in_vain():
                return False
        return True

    def _run_once(self) -> str:
        """Runs the program once, from its start to its end, and returns what ended it."""
        program, layout = self.program, self._layout
        if self._stopping.is_set():
            return "stopped"
        program.write()
        log = layout.log(program.name)
        from_byte = size_of(log)
        with self._starting:
            process = spawn(program.command, log=log, env=program.env, cwd=layout.home)
            # What was asked for up to now is this start; how it ends is another matter.
            self._restarting, self._identity = False, identify(process.pid)
        try:
            remember(layout.pid(program.name), self._identity)
            self._board.show(program.name, state="starting", pid=process.pid)
            if program.begin is not None and self._await_needs(
                lambda: self._stopping.is_set() or process.poll() is not None
            ):
                program.begin()
            self._await_ready(process, from_byte)
            program.settle()
            self._ready_at = time.monotonic()
            self._board.show(program.name, state="running", pid=process.pid, error=None)
            self.ready.set()
            _log.info("a service is ready", service=program.name, pid=process.pid)
            process.wait()
        finally:
            self.ready.clear()
            # None when it must be ended: it has not become ready in time.
            self._code = process.poll()
            self._end()
            process.wait()
            forget(layout.pid(program.name), self._identity)
        return self._outcome(process.returncode, log, from_byte)

    def _await_ready(self, process: Popen[bytes], from_byte: int) -> None:
        name, log = self.program.name, self._layout.log(self.program.name)

        def probe() -> None:
            if self._stopping.is_set():
                raise EnvironmentNotReadyError("stopped while it started", hint="start it again")
            if process.poll() is not None:
                raise EnvironmentNotReadyError(self._outcome(process.returncode, log, from_byte), hint=f"look at {log}")
            self.program.probe(process.pid)

        deadline, retry_on = self.program.start_deadline_s, self.program.retry_on
        wait_for(
            f"{name} to be ready", probe, deadline_s=deadline, hint=f"look at {log}", retry_on=retry_on, interval_s=0.2
        )

    def _end(self) -> None:
        # Also called when the program has ended; what it started must not be killed then while it is given its time.
        with self._ending:
            if self._identity is None:
                return
            program, was_ready = self.program, self._ready_at is not None
            deadline_s = min(program.stop_deadline_s, _HASTE_S) if self._in_haste else program.stop_deadline_s
            ending = end(self._identity, deadline_s, program.linger_s() if was_ready and not self._in_haste else 0.0)
            if ending is Ending.KILLED:
                _log.warning("a service did not stop when asked to and was killed", service=program.name)
            elif ending is Ending.WHOLE and was_ready:
                program.on_ended()

    def _outcome(self, code: int, log: Path, from_byte: int) -> str:
        # A program that ended has given back what it could not use, or could not even write what was wrong.
        if is_full(self._layout) or tells_of_full_disk(log, from_byte):
            return disk_is_full(self._layout)
        if reason := self.program.explain(code, end_of(log, from_byte)):
            self._cannot_run = self._ready_at is None
            return reason
        if code < 0 and -code not in _CRASHES:
            # It had no time to say why.
            return f"killed by signal {-code}"
        how = f"ended with exit code {code}" if code >= 0 else f"crashed with {signal.Signals(-code).name}"
        return f"{how}: {essence(log, from_byte)}"
