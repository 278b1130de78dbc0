"""Measures what the services of an environment consume within a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from tandem.errors import TandemError
from tandem.settings.model import Settings
from tandem_bench.consumption import Reading, family, reading_of, readings


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
        beside: the ids of further processes, which count with their children, by the names under which they count.

    Raises:
        TandemError: a service does not run.
    """

    def __init__(self, settings: Settings, beside: Mapping[str, int] | None = None) -> None:
        self._settings, self._beside = settings, beside or {}
        self._began, self._before = time.monotonic(), self._read()

    def stop(self) -> Usage:
        """Returns the consumption since the meter was made.

        Raises:
            TandemError: a service does not run, or was started anew.
        """
        lasted, after = time.monotonic() - self._began, self._read()
        return usage(self._before, after, lasted)

    def _read(self) -> dict[str, Reading]:
        return readings(self._settings) | {name: reading_of(family(pid)) for name, pid in self._beside.items()}


def usage(before: Mapping[str, Reading], after: Mapping[str, Reading], seconds: float) -> Usage:
    """Returns the consumption between two readings, ``seconds`` apart.

    Raises:
        TandemError: a service was started anew between them, or has ended.
    """
    for name in before.keys() | after.keys():
        if name not in before or name not in after or after[name].seconds < before[name].seconds:
            raise TandemError(f"{name} was restarted or has ended", hint="the measurement is invalid; see its log")
    return Usage(
        {name: (reading.seconds - before[name].seconds) / seconds for name, reading in after.items()},
        {name: reading.memory / 2**30 for name, reading in after.items()},
    )
