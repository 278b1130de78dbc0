"""Full windows: a steady load with a large state."""

from __future__ import annotations

from tandem.settings.model import Settings
from tandem_bench.consumption import memory_figure
from tandem_bench.full_state import fill
from tandem_bench.parts.steady import RATE, Steady, measured, title_of, verified
from tandem_bench.render import grouped
from tandem_bench.reports import Reports
from tandem_bench.result import Part, Rounds
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import running_job


def measure(config: RunConfig) -> Part:
    """Returns figures of each steady load in each environment."""
    warm_s, seconds = config.times(40.0, 20.0 if config.quick else 60.0)
    found = Rounds(config.say)
    for number in range(config.rounds):
        for settings in config.environments:
            config.say(f"full windows, {title_of(settings)}, round {number + 1} of {config.rounds}")
            loads, remark = _of(config, settings, warm_s, seconds)
            for rate, load in loads.items():
                group = f"{title_of(settings)}, {grouped(rate)} records/s"
                found.add(group, load.figures(), f"{grouped(load.state_events)} events in state; {remark}")
    conditions = {"rows": config.rows, "warm s": int(warm_s), "seconds": int(seconds), "rounds": config.rounds}
    memory = ", ".join(f"{memory_figure(each)} ({title_of(each)})" for each in config.environments)
    return Part(
        "full_windows",
        "A steady load while the join's windows are full",
        found.rows(),
        {**conditions, "memory": memory},
    )


def _of(config: RunConfig, settings: Settings, warm_s: float, seconds: float) -> tuple[dict[float, Steady], str]:
    """Returns the figures of each rate, and a remark about the verified records."""
    with running_job(settings), Reports(settings) as reports:
        fill(settings, reports, config.rows)
        loads = {rate: measured(settings, reports, rate, warm_s, seconds) for rate in config.rates or [RATE]}
        return loads, verified(settings, reports)
