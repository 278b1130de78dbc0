"""Keeps the states of a supervisor's services in a file for other processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tandem.supervision.process import write_json


@dataclass(frozen=True)
class ServiceState:
    """One service.

    Attributes:
        state: ``stopped``, ``starting``, ``running`` or ``failed`` (given up).
        pid: its process, if there is one.
        restarts: the number of restarts after a failure.
        error: the reason for its last end, in one line.
    """

    state: str = "stopped"
    pid: int | None = None
    restarts: int = 0
    error: str | None = None

    @property
    def trouble(self) -> str | None:
        """The error that caused its restart; None if it runs or starts for the first time."""
        return self.error if self.state == "starting" else None


class StateFile:
    """The file of the services' states, for its only writer.

    Args:
        path: the file.
        services: the services that are about to start.
    """

    def __init__(self, path: Path, services: Collection[str] = ()) -> None:
        self._path = path
        self._lock, self._closed = threading.Lock(), False
        self._states = {service: ServiceState(state="starting") for service in services}
        write_json(path, {name: asdict(state) for name, state in self._states.items()})

    def show(
        self, service: str, *, state: str, pid: int | None, error: str | None = "", restarted: bool = False
    ) -> None:
        """Writes a service's state; an empty ``error`` leaves the last one as it is."""
        with self._lock:
            old = self._states.get(service, ServiceState())
            kept = old.error if error == "" else error
            new = replace(old, state=state, pid=pid, error=kept, restarts=old.restarts + restarted)
            self._states[service] = new
            self._write()

    def close(self) -> None:
        """Stops writing, because the file is gone or belongs to another supervisor."""
        with self._lock:
            self._closed = True

    def forget(self, service: str) -> None:
        """Removes a service."""
        with self._lock:
            self._states.pop(service, None)
            self._write()

    def _write(self) -> None:
        if self._closed:
            return
        # A full disk must not keep a service from being stopped.
        with suppress(OSError):
            write_json(self._path, {name: asdict(value) for name, value in self._states.items()})


def read_states(path: Path, services: Collection[str] = ()) -> dict[str, ServiceState]:
    """Returns the states in a file; these services are ``stopped`` if the file lacks them."""
    states = {service: ServiceState() for service in services}
    try:
        document = json.loads(path.read_text("utf-8"))
        return states | {service: ServiceState(**state) for service, state in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return states


def given_up(states: Mapping[str, ServiceState], services: Iterable[str]) -> str | None:
    """Returns the first of these services that was given up, and why; else None."""
    return next((f"{name} {states[name].error}" for name in services if states[name].state == "failed"), None)
