"""Growth by state: one load with windows of different lengths."""

from __future__ import annotations

from tandem.settings.model import Settings
from tandem_bench.full_state import fill
from tandem_bench.parts.steady import RATE, Steady, measured, ratios, verified
from tandem_bench.render import grouped
from tandem_bench.reports import Reports
from tandem_bench.result import Part, Rounds
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import running_job

_PARTS = (200, 20, 4, 1)
# A shorter match window would leave out most of the payments.
_LEAST_WINDOW_S = 5
# The ratio of the profile's windows: half an hour, and five minutes for what is late.
_LATENESS_SHARE = 1 / 7


def measure(config: RunConfig) -> Part:
    """Returns the figures of growing states, and their ratios."""
    warm_s, seconds = config.times(40.0, 20.0 if config.quick else 60.0)
    rate = next(iter(config.rates), RATE)
    sizes = sorted({max(config.rows // part, int(rate * (_LEAST_WINDOW_S + 1))) for part in _PARTS})
    found = Rounds(config.say)
    for number in range(config.rounds):
        config.say(f"growth by state, round {number + 1} of {config.rounds}")
        loads: dict[int, Steady] = {}
        for size in sizes if number % 2 == 0 else reversed(sizes):
            loads[size], remark = _of(with_windows(config.settings, size, rate), size, rate, warm_s, seconds)
            found.add(f"{grouped(size)} rows", loads[size].figures(), remark)
        found.add("largest state over smallest", ratios(loads[sizes[-1]].speed(), loads[sizes[0]].speed()))
    conditions = {"records/s": int(rate), "warm s": int(warm_s), "seconds": int(seconds), "rounds": config.rounds}
    return Part("state_growth", "A steady load with more and more events in state", found.rows(), conditions)


def with_windows(settings: Settings, rows: int, rate: float) -> Settings:
    """Returns settings whose windows keep a number of events in state."""
    whole = rows / rate
    lateness = max(1, round(whole * _LATENESS_SHARE))
    parameters = {**settings.job.parameters, "match_window_seconds": round(whole) - lateness}
    job = settings.job.model_copy(update={"lateness_seconds": lateness, "parameters": parameters})
    return settings.model_copy(update={"job": job})


def _of(settings: Settings, rows: int, rate: float, warm_s: float, seconds: float) -> tuple[Steady, str]:
    with running_job(settings), Reports(settings) as reports:
        fill(settings, reports, rows)
        load = measured(settings, reports, rate, warm_s, seconds)
        return load, f"{grouped(load.state_events)} events in state; {verified(settings, reports)}"
