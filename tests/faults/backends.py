"""How each backend's programs are killed, told to stop, frozen and thawed: by signals to real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from tandem.platforms.compose.containers import Containers
from tandem.platforms.compose.engine import find_engine
from tandem.platforms.local_services.layout import Layout
from tandem.supervision.process import read_identity
from tandem.supervision.state_file import read_states

PIPELINE = "orders_payments"


class Backend(Protocol):
    """The programs ``kafka``, ``mongo`` and ``job``."""

    @property
    def checkpoint(self) -> Path:
        """The folder of the job's checkpoint, readable."""

    @property
    def job_restarts(self) -> int:
        """How often the job was restarted after it had ended."""

    def pids(self, service: str) -> list[int]:
        """Returns the service's processes, its first one first."""


class Processes:
    """The embedded platform's process groups."""

    def __init__(self, home: Path) -> None:
        self._layout = Layout(home / "embedded")

    @property
    def checkpoint(self) -> Path:
        return self._layout.checkpoint / PIPELINE

    @property
    def job_restarts(self) -> int:
        return read_states(self._layout.state, ("job",))["job"].restarts

    def pids(self, service: str) -> list[int]:
        identity = read_identity(self._layout.pid({"mongo": "mongod"}.get(service, service)))
        return _with_children(identity.pid) if identity else []


class ContainerProcesses:
    """The containers' processes, as the host sees them: ``docker kill`` would count as a wish that one stay down."""

    def __init__(self, project: str) -> None:
        self._containers, self._project = Containers(find_engine()), project

    @property
    def checkpoint(self) -> Path:
        volumes = {volume.name: volume for volume in self._containers.volumes(self._project)}
        path = Path(volumes[f"{self._project}_checkpoint_built"].attrs["Mountpoint"])
        try:
            list(path.iterdir())
        except OSError:
            pytest.skip("the engine's volumes are not this user's to read, or lie in a virtual machine")
        return path / PIPELINE

    @property
    def job_restarts(self) -> int:
        return int(self._containers.of(self._project)["job"].attrs["RestartCount"])

    def pids(self, service: str) -> list[int]:
        pid = self._containers.of(self._project)[service].attrs["State"]["Pid"]
        return _with_children(pid) if pid else []


def send(backend: Backend, service: str, number: signal.Signals, only: str = "") -> bool:
    """Returns whether there was such a service to send the signal to; SIGTERM goes to its first process alone.

    Args:
        backend: where the service runs.
        service: whose processes are meant.
        number: the signal.
        only: what the command line of a process that is meant has in it.
    """
    pids = [pid for pid in backend.pids(service) if only in _command_line(pid)]
    for pid in pids[:1] if number == signal.SIGTERM else pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            pytest.skip("these processes are not this user's to kill")
    return bool(pids)


def is_state_written(checkpoint: Path, batch: int) -> bool:
    """Returns whether one of the state stores has written the batch's changes, or is at it."""
    # Spark's version of the state is one more than the batch. Until a file is complete, its name begins with a dot.
    names = (f"0/*/{batch + 1}.changelog", f"0/*/.{batch + 1}.changelog*")
    return any(True for name in names for _ in (checkpoint / "state").glob(name))


def _with_children(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _command_line(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return ""
