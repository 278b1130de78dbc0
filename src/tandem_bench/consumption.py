"""Measures the consumption of a running environment's services."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import psutil

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.compose.compose_project import Project
from tandem.platforms.local_services.layout import JOB, SERVICES, Layout
from tandem.settings.model import Settings
from tandem.supervision.process import read_identity
from tandem.supervision.state_folder import SUPERVISOR
from tandem_bench.reports import Reports

# The services that run the job: the driver and, in containers, the worker with the executor.
OF_THE_JOB = (JOB, "spark-worker")
_NANOSECONDS = 1e9
# Pages that the system may drop; named by version 2 and by version 1 of control groups.
_DROPPABLE = ("inactive_file", "total_inactive_file")


class Reading(NamedTuple):
    """A service's consumption.

    Attributes:
        seconds: the processor time since its start.
        memory: the memory in bytes: of a process with its part of shared pages, of a container as its limit counts it.
    """

    seconds: float
    memory: int


def readings(settings: Settings) -> dict[str, Reading]:
    """Returns the consumption of each service so far.

    Raises:
        TandemError: a service does not run.
    """
    if settings.backend == "compose":
        return {name: reading_of_container(each) for name, each in _containers(settings).items()}
    return {name: reading_of(group) for name, group in _groups(Layout(settings.home)).items()}


def reading_of(processes: Iterable[psutil.Process]) -> Reading:
    """Returns the consumption of processes; one that has ended counts nothing.

    Raises:
        EnvironmentNotReadyError: a process may not be read.
    """
    listed = list(processes)
    return Reading(sum(map(_seconds_of, listed)), sum(map(memory_of, listed)))


def memory_of(process: psutil.Process) -> int:
    """Returns a process's memory with its part of shared pages.

    Two Java processes share the pages of one archive.

    Raises:
        EnvironmentNotReadyError: the process may not be read.
    """
    with _readable(process):
        return int(process.memory_full_info().pss if psutil.LINUX else process.memory_info().rss)
    return 0


def memory_figure(settings: Settings) -> str:
    """Returns the name of the memory figure in an environment's readings."""
    own = "PSS" if psutil.LINUX else "RSS"
    return f"as docker stats, {own} if the engine counts nothing" if settings.backend == "compose" else own


@dataclass(frozen=True)
class JobDriver:
    """The driver of an environment's job.

    Attributes:
        settings: of the environment.
        reports: of its drivers.
    """

    settings: Settings
    reports: Reports

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspends the driver while the block runs."""
        stopped = driver_processes(self.settings)
        _send(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            _send(stopped, signal.SIGCONT)

    def kill(self) -> float:
        """Kills the driver, with its Java; returns when, in seconds since the epoch."""
        _send(driver_processes(self.settings), signal.SIGKILL)
        return time.time()


def driver_processes(settings: Settings) -> list[psutil.Process]:
    """Returns the processes of the job's driver, as this machine sees them.

    Raises:
        TandemError: none runs.
    """
    if settings.backend != "compose":
        return _groups(Layout(settings.home))[JOB]
    container = _containers(settings).get(JOB)
    if container is None:
        raise TandemError("there is no driver", hint="see its log")
    return family(container.attrs["State"]["Pid"])


def family(pid: int) -> list[psutil.Process]:
    """Returns a process and all that it has started; nothing if it has ended."""
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            raise EnvironmentNotReadyError(
                "the driver's processes are not this user's to signal", hint="run the bench as root"
            ) from None


def _groups(layout: Layout) -> dict[str, list[psutil.Process]]:
    """Returns the processes of each service and of the supervisor.

    Each of them leads a process group.
    """
    leaders = {name: read_identity(layout.pid(name)) for name in (SUPERVISOR, *SERVICES)}
    absent = [name for name, identity in leaders.items() if identity is None]
    if absent:
        raise TandemError(f"{absent[0]} does not run", hint="see its log")
    names = {identity.pid: name for name, identity in leaders.items() if identity}
    groups: dict[str, list[psutil.Process]] = {name: [] for name in leaders}
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            name = names.get(os.getpgid(process.pid))
            if name:
                groups[name].append(process)
    return groups


def _containers(settings: Settings) -> dict[str, Any]:
    project = Project(settings)
    found = project.containers.of(project.name)
    return {name: each for name, each in found.items() if each.attrs["State"]["Running"]}


def reading_of_container(container: Any) -> Reading:
    """Returns a container's consumption, by the engine's figures or its processes."""
    counted = reading_of_stats(container.stats(stream=False, one_shot=True))
    # An engine without control groups counts nothing.
    return counted if counted.seconds else reading_of(family(container.attrs["State"]["Pid"]))


def reading_of_stats(stats: Mapping[str, Any]) -> Reading:
    """Returns a container's consumption from the engine's figures.

    The memory is that of `docker stats`.
    """
    memory = stats["memory_stats"]
    details = memory.get("stats", {})
    droppable = next((details[name] for name in _DROPPABLE if name in details), 0)
    seconds = stats["cpu_stats"]["cpu_usage"]["total_usage"] / _NANOSECONDS
    return Reading(seconds, max(0, memory.get("usage", 0) - droppable))


def _seconds_of(process: psutil.Process) -> float:
    with _readable(process):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


@contextmanager
def _readable(process: psutil.Process) -> Iterator[None]:
    """Skips the block if the process has ended, and names one that may not be read."""
    try:
        yield
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        # Without it, the sum would be too small.
        raise EnvironmentNotReadyError(
            f"process {process.pid} cannot be measured, because it may not be read", hint="run the bench as root"
        ) from None
