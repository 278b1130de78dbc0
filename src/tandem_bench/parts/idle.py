"""Idle cost: processor time and memory of the environment without records."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

from tandem.errors import TandemError
from tandem.platforms.local_services.layout import SERVICES, Layout
from tandem.supervision.process import read_identity
from tandem.supervision.state_folder import SUPERVISOR
from tandem_bench.result import Figure, Part, Row
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import running_job

_CORES, _MEMORY = "cores", "GiB"
_ALL = "all"


def measure(config: RunConfig) -> Part:
    """Returns the processor time and the memory of all services together and of each."""
    settle_s, seconds = (10.0, 15.0) if config.quick else (30.0, 60.0)
    cores: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    with running_job(config.settings):
        layout = Layout(config.settings.home)
        time.sleep(settle_s)
        for number in range(config.rounds):
            config.say(f"idle cost, round {number + 1} of {config.rounds}")
            groups = _groups(layout)
            before = _processor_seconds(groups)
            time.sleep(seconds)
            after = _processor_seconds(groups)
            held = {name: sum(map(memory_of, group)) / 2**30 for name, group in groups.items()}
            used = {name: (after[name] - before[name]) / seconds for name in groups}
            for usage, kept in ((used, cores), (held, memory)):
                for name, value in {_ALL: sum(usage.values()), **usage}.items():
                    kept.setdefault(name, []).append(value)
    rows = [
        Row(name, unit, Figure(tuple(values)))
        for unit, kept in ((_CORES, cores), (_MEMORY, memory))
        for name, values in kept.items()
    ]
    settings = {"seconds": int(seconds), "rounds": config.rounds, "memory": "PSS" if _has_pss() else "RSS"}
    return Part("idle", "The whole environment while nothing comes", rows, settings)


def _groups(layout: Layout) -> Mapping[str, list[psutil.Process]]:
    """Returns the processes of each service and of the supervisor: each leads a process group."""
    leaders = {name: read_identity(layout.pid(name)) for name in (SUPERVISOR, *SERVICES)}
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


def _processor_seconds(groups: Mapping[str, Iterable[psutil.Process]]) -> dict[str, float]:
    return {name: sum(map(_seconds_of, group)) for name, group in groups.items()}


def _seconds_of(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def memory_of(process: psutil.Process) -> int:
    """Returns a process's memory with its part of shared pages: two Javas share one archive."""
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().pss if _has_pss() else process.memory_info().rss)
    return 0


def _has_pss() -> bool:
    return bool(psutil.LINUX)
