"""Reads the processor time and the memory of each service of an environment that runs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from tandem.errors import TandemError
from tandem.platforms.local_services.layout import SERVICES, Layout
from tandem.settings.model import Settings
from tandem.supervision.process import recall
from tandem.supervision.state_folder import SUPERVISOR


class Reading(NamedTuple):
    """A service's consumption.

    Attributes:
        seconds: of processor time since its start.
        memory: in bytes.
    """

    seconds: float
    memory: int


@dataclass(frozen=True)
class Usage:
    """The consumption of services within a time.

    Attributes:
        cores: processor seconds in each second, by service.
        memory: GiB at its end, by service.
    """

    cores: Mapping[str, float]
    memory: Mapping[str, float]


class UsageMeter:
    """Measures what services consume from now on.

    Args:
        settings: of an environment that runs.

    Raises:
        TandemError: a service does not run.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._began, self._before = time.monotonic(), readings(settings)

    def stop(self) -> Usage:
        """Returns the consumption since the meter was made.

        Raises:
            TandemError: a service does not run.
        """
        lasted, after = time.monotonic() - self._began, readings(self._settings)
        return usage(self._before, after, lasted)


def usage(before: Mapping[str, Reading], after: Mapping[str, Reading], seconds: float) -> Usage:
    """Returns the consumption between two readings, ``seconds`` apart.

    Raises:
        TandemError: a service was started anew between them.
    """
    for name, reading in after.items():
        if name not in before or reading.seconds < before[name].seconds:
            raise TandemError(f"{name} was started anew", hint="the measurement is invalid; see its log")
    return Usage(
        {name: (reading.seconds - before[name].seconds) / seconds for name, reading in after.items()},
        {name: reading.memory / 2**30 for name, reading in after.items()},
    )


def readings(settings: Settings) -> dict[str, Reading]:
    """Returns the consumption of each service so far; a process's memory has its part of shared pages.

    Raises:
        TandemError: a service does not run.
    """
    return {
        name: Reading(sum(map(_seconds_of, group)), sum(map(memory_of, group)))
        for name, group in _groups(Layout(settings.home)).items()
    }


def _groups(layout: Layout) -> dict[str, list[psutil.Process]]:
    """Returns the processes of each service and of the supervisor: each leads a process group."""
    leaders = {name: recall(layout.pid(name)) for name in (SUPERVISOR, *SERVICES)}
    absent = [name for name, identity in leaders.items() if identity is None]
    if absent:
        raise TandemError(f"{absent[0]} does not run", hint="its log tells why")
    names = {identity.pid: name for name, identity in leaders.items() if identity}
    groups: dict[str, list[psutil.Process]] = {name: [] for name in leaders}
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            name = names.get(os.getpgid(process.pid))
            if name:
                groups[name].append(process)
    return groups


def _seconds_of(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def memory_of(process: psutil.Process) -> int:
    """Returns a process's memory with its part of shared pages: two Javas share one archive."""
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().pss if has_pss() else process.memory_info().rss)
    return 0


def has_pss() -> bool:
    """Returns whether this system tells a process's part of shared pages."""
    return bool(psutil.LINUX)
