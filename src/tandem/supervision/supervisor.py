"""Runs services until a signal ends them all, while their state folder exists."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from typing import Protocol

import structlog

from tandem.supervision.logs import rotate
from tandem.supervision.runner import ServiceRunner
from tandem.supervision.service import Service
from tandem.supervision.state_file import StateFile
from tandem.supervision.state_folder import StateFolder

# Asks a supervisor to compare the running jobs with the registered ones.
UPDATE = signal.SIGUSR1
_log = structlog.get_logger(__name__)


class DynamicServices(Protocol):
    """Services that start and stop while the others run."""

    def update(self) -> None:
        """Starts new services and stops removed ones; returns at once."""

    def stop(self, *, at_once: bool = False) -> None:
        """Stops all; see ``ServiceRunner.stop``."""


def received_signals() -> SimpleQueue[int]:
    """Returns a queue that gets SIGTERM, SIGINT and ``UPDATE``."""
    # A signal handler must not take a lock that the interrupted code may hold. SimpleQueue allows that.
    signals: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, UPDATE):
        signal.signal(number, lambda received, _frame: signals.put(received))
    return signals


def runners_of(services: Iterable[Service], folder: StateFolder, states: StateFile) -> list[ServiceRunner]:
    """Returns a runner for each service.

    Args:
        services: the services; each one follows those that it needs.
        folder: the state folder.
        states: the file of their states.
    """
    runners: list[ServiceRunner] = []
    for service in services:
        runners.append(ServiceRunner(service, folder, states, runners))
    return runners


def supervise(
    runners: Sequence[ServiceRunner],
    dynamic: DynamicServices | None,
    folder: StateFolder,
    states: StateFile,
    signals: SimpleQueue[int],
    lock: int,
) -> None:
    """Runs services until a signal, or until the state folder is removed.

    ``UPDATE`` does not end them.

    Args:
        runners: in the order in which they are started; they are stopped in the reverse order.
        dynamic: further services, stopped before the others.
        folder: the state folder.
        states: the file of their states.
        signals: the signals that this process receives.
        lock: the state folder's lock, as ``StateFolder.locked`` yields it.
    """
    with ExitStack() as stopping:
        # The stack stops every service, even if another one fails to stop.
        for runner in runners:
            runner.start()
            stopping.callback(runner.stop)
        if dynamic:
            stopping.callback(dynamic.stop)
        stopping.callback(_log.info, "stopping")
        signals.put(UPDATE)
        while (received := _next(signals)) in (None, UPDATE):
            if received and dynamic:
                dynamic.update()
            if not folder.is_mine(lock):
                _log.error("the state folder was removed: everything is stopped", home=str(folder.home))
                states.close()
                _stop_at_once(runners, dynamic)
                break
            for log in folder.logs():
                rotate(log)
    _log.info("stopped")


def _stop_at_once(runners: Sequence[ServiceRunner], dynamic: DynamicServices | None) -> None:
    """Stops all services in parallel, because their state folder is gone.

    The next environment needs their ports.
    """
    stops = [runner.stop for runner in runners] + ([dynamic.stop] if dynamic else [])
    threads = [threading.Thread(target=stop, kwargs={"at_once": True}) for stop in stops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _next(signals: SimpleQueue[int]) -> int | None:
    """Returns the next signal, or None after a second.

    Python runs a signal handler before a wait or when it interrupts one. A signal in between would stay unnoticed until
    the next, so no wait is endless.
    """
    try:
        return signals.get(timeout=1)
    except Empty:
        return None
