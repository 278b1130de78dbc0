"""Full windows: latency, batches, processor time and memory under a steady load with a large state."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from tandem.settings.model import Settings
from tandem_bench.correctness import account
from tandem_bench.full_state import fill
from tandem_bench.load_generator import LoadGenerator, Watch, quantiles
from tandem_bench.render import grouped
from tandem_bench.reports import Reports, batch_times
from tandem_bench.result import Figure, Part, Row
from tandem_bench.run_config import RunConfig
from tandem_bench.service_usage import Usage, UsageMeter
from tandem_bench.testbed import running_job

# Payments come up to 20 seconds before their orders.
_WARM_S = 40.0
_VERIFY_S = 600.0
# What runs the job, in the order of the table: the driver, and where it is a container, its executor's worker.
_JOB_SERVICES = ("job", "spark-worker")


class _Load(NamedTuple):
    """What was measured under one steady load."""

    quantiles: tuple[float, float]
    batches: dict[str, float]
    usage: Usage
    state_rows: int


def measure(config: RunConfig) -> Part:
    """Returns figures of each steady load in each environment."""
    seconds = config.seconds or (20.0 if config.quick else 60.0)
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    remarks: dict[tuple[str, str], str] = {}
    for number in range(config.rounds):
        for settings in config.environments:
            config.say(f"full windows, {settings.profile}, round {number + 1} of {config.rounds}")
            loads, verified = _of(config, settings, seconds)
            for rate, load in loads.items():
                title = f"{settings.profile}, {grouped(rate)}/s"
                figures = _figures(load)
                for (name, unit), value in figures.items():
                    found[f"{title}: {name}", unit].append(value)
                first = next(iter(figures))
                remarks[f"{title}: {first[0]}", first[1]] = f"{grouped(load.state_rows)} rows in state; {verified}"
    rows = [Row(key[0], key[1], Figure(tuple(each)), remark=remarks.get(key, "")) for key, each in found.items()]
    conditions = {"rows": config.rows, "seconds": int(seconds), "rounds": config.rounds}
    return Part("full_windows", "A steady load while the join's windows are full", rows, conditions)


def _of(config: RunConfig, settings: Settings, seconds: float) -> tuple[dict[float, _Load], str]:
    """Returns the figures of each rate, and a remark about the verified records."""
    with running_job(settings), Reports(settings) as reports:
        fill(settings, reports, config.rows)
        loads = {rate: _under(settings, reports, rate, seconds) for rate in config.rates}
        return loads, account(settings, deadline_s=_VERIFY_S)


def _under(settings: Settings, reports: Reports, rate: float, seconds: float) -> _Load:
    with Watch(settings.mongo) as watch, LoadGenerator(settings.kafka, rate) as generator:
        generator.run_for(_WARM_S, 0.0)
        meter = UsageMeter(settings)
        since, until = generator.run_for(0.0, seconds)
        used = meter.stop()
        seen = watch.seen(generator)
    batches = reports.batches(since, until)
    return _Load(quantiles(seen, since, until), batch_times(batches), used, batches[-1]["state_rows"])


def _figures(load: _Load) -> dict[tuple[str, str], float]:
    """Returns the values of one steady load, by name and unit."""
    p50, p99 = load.quantiles
    used = load.usage
    return {
        ("median", "s"): p50,
        ("99th percentile", "s"): p99,
        **{(name, "ms"): value for name, value in load.batches.items()},
        ("all services", "cores"): sum(used.cores.values()),
        **{(name, "cores"): used.cores[name] for name in _JOB_SERVICES if name in used.cores},
        **{(name, "GiB"): used.memory[name] for name in _JOB_SERVICES if name in used.memory},
    }
