"""Idle cost: processor time and memory of the environment without records."""

from __future__ import annotations

import time

from tandem_bench.consumption import memory_figure
from tandem_bench.result import Figure, Part, Row
from tandem_bench.run_config import RunConfig
from tandem_bench.service_usage import UsageMeter
from tandem_bench.testbed import running_job

_CORES, _MEMORY = "cores", "GiB"
_ALL = "all"


def measure(config: RunConfig) -> Part:
    """Returns the processor time and the memory of all services together and of each."""
    settle_s, seconds = (10.0, 15.0) if config.quick else (30.0, 60.0)
    cores: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    with running_job(config.settings):
        time.sleep(settle_s)
        for number in range(config.rounds):
            config.say(f"idle cost, round {number + 1} of {config.rounds}")
            meter = UsageMeter(config.settings)
            time.sleep(seconds)
            used = meter.stop()
            for found, kept in ((used.cores, cores), (used.memory, memory)):
                for name, value in {_ALL: sum(found.values()), **found}.items():
                    kept.setdefault(name, []).append(value)
    rows = [
        Row(name, unit, Figure(tuple(values)))
        for unit, kept in ((_CORES, cores), (_MEMORY, memory))
        for name, values in kept.items()
    ]
    settings = {"seconds": int(seconds), "rounds": config.rounds, "memory": memory_figure(config.settings)}
    return Part("idle", "The whole environment while nothing comes", rows, settings)
