"""Runs one service: starts it, waits until it is ready, restarts it when it dies."""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from subprocess import Popen

import structlog

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.supervision import restart_policy
from tandem.supervision.logs import end_of, error_summary, reports_full_disk, size_of
from tandem.supervision.process import Ending, Identity, end, identify, remove_identity, spawn, write_identity
from tandem.supervision.restart_policy import CRASHES, ServiceRun
from tandem.supervision.service import Service
from tandem.supervision.state_file import StateFile
from tandem.supervision.state_folder import StateFolder
from tandem.waiting import wait_for

# The deadline when the state folder is gone: there is nothing to save.
AT_ONCE_S = 5.0
_NEEDS_INTERVAL_S = 0.2
_log = structlog.get_logger(__name__)


class State(Enum):
    """What a runner does with its service."""

    IDLE = auto()
    STARTING = auto()
    READY = auto()
    STOPPING = auto()
    BACKOFF = auto()
    GIVEN_UP = auto()


class _Request(Enum):
    RESTART = auto()
    STOP = auto()
    STOP_AT_ONCE = auto()


# The words of the state file. While a service stops, the file has the state before.
_WORDS = {
    State.IDLE: "stopped",
    State.STARTING: "starting",
    State.READY: "running",
    State.BACKOFF: "starting",
    State.GIVEN_UP: "failed",
}


class ServiceRunner:
    """Runs one service in a thread of its own.

    Only that thread starts and ends the program.

    Args:
        service: the service.
        folder: the folder of its log and its process id.
        states: the file of its state.
        others: the runners of the services that it may need.
    """

    def __init__(
        self, service: Service, folder: StateFolder, states: StateFile, others: Sequence[ServiceRunner] = ()
    ) -> None:
        self.service = service
        self._folder, self._states = folder, states
        self._needs = [other for other in others if other.service.name in service.needs]
        # Guards the state and the request; notified when one changes or the program ends.
        self._changed = threading.Condition()
        self._state = State.IDLE
        self._request: _Request | None = None
        self._next: Service | None = None
        self._logged: str | None = None
        self._thread = threading.Thread(target=self._keep_running, name=service.name, daemon=True)

    @property
    def is_ready(self) -> bool:
        """Whether the program is ready."""
        return self._state is State.READY

    def start(self) -> None:
        """Starts to run the service; returns at once."""
        self._thread.start()

    def stop(self, *, at_once: bool = False) -> None:
        """Ends the program and returns when it has ended.

        Args:
            at_once: give it a few seconds only, regardless of its deadline.
        """
        with self._changed:
            self._request = _Request.STOP_AT_ONCE if at_once else _Request.STOP
            self._changed.notify_all()
        self._thread.join()
        self._enter(State.IDLE, pid=None)

    def restart(self, service: Service | None = None) -> None:
        """Requests a restart, even if the service was given up; returns at once.

        Args:
            service: the service to run from then on; None for the same one.
        """
        with self._changed:
            self._next = service or self._next
            if self._request is None:
                self._request = _Request.RESTART
                self._changed.notify_all()

    def wait_until_ready(self, in_vain: Callable[[], bool]) -> bool:
        """Waits for the program and returns whether it is ready.

        False as soon as ``in_vain`` returns True.
        """
        with self._changed:
            while not self._changed.wait_for(lambda: self.is_ready, _NEEDS_INTERVAL_S):
                if in_vain():
                    return False
        return True

    def _keep_running(self) -> None:
        failures = 0
        while True:
            run = self._run_once()
            if self._stops:
                return
            if self._request is None:
                failures = restart_policy.failures_after(run, failures, self.service.final_codes)
                self._pause(run.error, failures)
            with self._changed:
                if self._stops:
                    return
                restart, self._request = self._request is _Request.RESTART, None
            if restart:
                failures = 0
                self._enter(State.STARTING, pid=None, error=None)

    @property
    def _stops(self) -> bool:
        return self._request in (_Request.STOP, _Request.STOP_AT_ONCE)

    def _enter(self, state: State, *, pid: int | None, error: str | None = "", restarted: bool = False) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()
        self._states.show(self.service.name, state=_WORDS[state], pid=pid, error=error, restarted=restarted)

    def _pause(self, error: str, failures: int) -> None:
        """Returns when the service is to be started again, or to stop."""
        name, optional = self.service.name, self.service.optional
        # An optional service restarts endlessly, so the same error is logged once.
        if not optional or error != self._logged:
            _log.warning("a service failed", service=name, error=error, failures=failures)
        self._logged = error
        if failures >= restart_policy.MAX_FAILURES and not optional:
            self._enter(State.GIVEN_UP, pid=None, error=f"was given up: {error}")
            delay_s: float | None = None
        else:
            self._enter(State.BACKOFF, pid=None, error=error, restarted=True)
            delay_s = restart_policy.backoff_s(failures)
        with self._changed:
            self._changed.wait_for(lambda: self._request is not None, delay_s)

    def _run_once(self) -> ServiceRun:
        """Returns the run when it has ended."""
        run = ServiceRun()
        with self._changed:
            self.service, self._next = self._next or self.service, None
        try:
            self._run_to_its_end(run)
        except (TandemError, OSError) as problem:
            run.error = str(problem)
        except Exception as problem:  # the thread must survive: it is the one that restarts the service
            _log.exception("a service failed unexpectedly", service=self.service.name)
            run.error = f"{type(problem).__name__}: {problem}"
        return run

    def _run_to_its_end(self, run: ServiceRun) -> None:
        service, folder = self.service, self._folder
        if not service.starts_early and not self._await_needs(lambda: self._request is not None):
            return
        service.prepare()
        from_byte = size_of(folder.log(service.name))
        with self._changed:
            if self._stops or self._next:
                return
            _log.debug("starting a service", service=service.name, command=shlex.join(service.command))
            process = spawn(service.command, log=folder.log(service.name), env=service.environment, cwd=folder.home)
            # This start is the restart that was requested before.
            self._request = None
        identity = identify(process.pid)
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        try:
            write_identity(folder.pid(service.name), identity)
            self._enter(State.STARTING, pid=process.pid)
            if service.starts_early and self._await_needs(lambda: self._request is not None or _ended(process)):
                service.on_needs_ready()
            self._await_ready(run, process, from_byte)
            service.on_ready()
            run.ready_at = time.monotonic()
            self._enter(State.READY, pid=process.pid, error=None)
            _log.info("a service is ready", service=service.name, pid=process.pid)
            with self._changed:
                self._changed.wait_for(lambda: self._request is not None or _ended(process))
        finally:
            run.code = process.returncode
            self._end(run, identity)
            process.wait()
            remove_identity(folder.pid(service.name), identity)
        run.error = self._outcome(run, process.returncode, from_byte)

    def _watch(self, process: Popen[bytes]) -> None:
        process.wait()
        with self._changed:
            self._changed.notify_all()

    def _await_needs(self, in_vain: Callable[[], bool]) -> bool:
        """Waits for the needed services and returns whether all are ready.

        See ``wait_until_ready``.
        """
        return all(need.wait_until_ready(in_vain) for need in self._needs)

    def _await_ready(self, run: ServiceRun, process: Popen[bytes], from_byte: int) -> None:
        service, hint = self.service, f"look at {self._folder.log(self.service.name)}"

        def probe() -> None:
            if self._request is not None:
                raise EnvironmentNotReadyError("stopped while it started", hint="start it again")
            if _ended(process):
                raise EnvironmentNotReadyError(self._outcome(run, process.returncode, from_byte), hint=hint)
            service.probe(process.pid)

        wait_for(
            f"{service.name} to be ready",
            probe,
            deadline_s=service.start_deadline_s,
            hint=hint,
            retry_on=service.retry_on,
            interval_s=0.2,
        )

    def _end(self, run: ServiceRun, identity: Identity) -> None:
        service, was_ready = self.service, run.ready_at is not None
        with self._changed:
            self._state, request = State.STOPPING, self._request
        at_once = request is _Request.STOP_AT_ONCE
        # A restart does not wait for what lingers.
        linger_s = service.linger_s() if was_ready and request is _Request.STOP else 0.0
        ending = end(
            identity, min(service.stop_deadline_s, AT_ONCE_S) if at_once else service.stop_deadline_s, linger_s
        )
        if ending is Ending.KILLED:
            _log.warning("a service did not stop when asked to and was killed", service=service.name)
        elif ending is Ending.WHOLE and was_ready:
            service.on_stopped()

    def _outcome(self, run: ServiceRun, code: int, from_byte: int) -> str:
        """Returns what ended the program."""
        log = self._folder.log(self.service.name)
        # The ended program may have freed disk space, or could not log the error. So both are checked.
        if self._folder.disk_is_full or reports_full_disk(log, from_byte):
            return self._folder.full_disk
        if reason := self.service.explain(code, end_of(log, from_byte)):
            run.cannot_run = run.ready_at is None
            return reason
        if code < 0 and -code not in CRASHES:
            # A killed program logs no reason.
            return f"killed by signal {-code}"
        how = f"ended with exit code {code}" if code >= 0 else f"crashed with {signal.Signals(-code).name}"
        return f"{how}: {error_summary(log, from_byte)}"


def _ended(process: Popen[bytes]) -> bool:
    """Returns whether a program has ended; a thread waits for its exit code."""
    return process.returncode is not None
