"""What the supervisor says about its services, in one file that anyone may read."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tandem.platforms.embedded.layout import SERVICES
from tandem.platforms.embedded.process import write_json


@dataclass(frozen=True)
class ServiceState:
    """One service.

    Attributes:
        state: ``stopped``, ``starting``, ``running`` or ``failed`` (given up).
        pid: its process, if there is one.
        restarts: how often it was started again after a failure.
        error: what ended it last, in one line.
    """

    state: str = "stopped"
    pid: int | None = None
    restarts: int = 0
    error: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why it is not running yet; None when it runs, or starts for the first time."""
        return self.error if self.state == "starting" else None


class Board:
    """Keeps the states of all services in a file.

    Args:
        path: the file.
        services: whose.
    """

    def __init__(self, path: Path, services: Collection[str] = SERVICES) -> None:
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
        """Writes no more: the file is gone, or another supervisor's."""
        with self._lock:
            self._closed = True

    def forget(self, service: str) -> None:
        """Shows a service no more."""
        with self._lock:
            self._states.pop(service, None)
            self._write()

    def _write(self) -> None:
        if self._closed:
            return
        # Nothing is kept from being stopped by a full disk.
        with suppress(OSError):
            write_json(self._path, {name: asdict(value) for name, value in self._states.items()})


def read_states(path: Path, services: Collection[str] = SERVICES) -> dict[str, ServiceState]:
    """Returns the states in a file, and of these services also when they are not in it: ``stopped``."""
    states = {service: ServiceState() for service in services}
    try:
        document = json.loads(path.read_text("utf-8"))
        return states | {service: ServiceState(**state) for service, state in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return states
