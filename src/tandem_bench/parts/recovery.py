"""Recovery: the time from a kill of the driver to new facts.

It is measured with an empty and with a full state.
"""

from __future__ import annotations

from tandem.settings.model import Settings
from tandem_bench.consumption import JobDriver
from tandem_bench.full_state import fill
from tandem_bench.load_generator import LoadGenerator, Watch
from tandem_bench.parts.steady import RATE, Figures, ratios, title_of, verified
from tandem_bench.render import grouped
from tandem_bench.reports import Reports
from tandem_bench.result import Part, Rounds
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import running_job

_DEADLINE_S = 600.0
# A fact this soon after its records shows that the backlog is done.
_CAUGHT_UP_S = 2.0
_FIRST = ("killed to the first new fact", "s")
_CAUGHT_UP = (f"killed to facts in under {_CAUGHT_UP_S:.0f} s", "s")


def measure(config: RunConfig) -> Part:
    """Returns seconds from the kill to the first fact, and to one without delay."""
    warm_s, _ = config.times(15.0 if config.quick else 30.0, 0.0)
    found = Rounds(config.say)
    for settings in config.environments:
        title = title_of(settings)
        config.say(f"recovery, {title}, empty state")
        empty, remark = _of(config, settings, 0, warm_s)
        config.say(f"recovery, {title}, {grouped(config.rows)} rows")
        full, full_remark = _of(config, settings, config.rows, warm_s)
        for before, after in zip(empty, full, strict=True):
            found.add(f"{title}, state empty at first", before, remark)
            found.add(f"{title}, windows full", after, full_remark)
            found.add(f"{title}, full over empty", ratios(after, before))
    conditions = {"records/s": int(RATE), "rows": config.rows, "warm s": int(warm_s), "rounds": config.rounds}
    return Part("recovery", "`kill -9` of the driver under load", found.rows(), conditions)


def _of(config: RunConfig, settings: Settings, rows: int, warm_s: float) -> tuple[list[Figures], str]:
    """Returns the figures of each round, and a remark on the state."""
    with running_job(settings), Reports(settings) as reports:
        if rows:
            fill(settings, reports, rows)
        driver = JobDriver(settings, reports)
        with Watch(settings.mongo) as watch, LoadGenerator(settings.kafka, RATE) as generator:
            found = [_round(driver, watch, generator, warm_s) for _ in range(config.rounds)]
        waiting = reports.newest()["state_events"]
        return found, f"{grouped(waiting)} events in state; {verified(settings, reports)}"


def _round(driver: JobDriver, watch: Watch, generator: LoadGenerator, warm_s: float) -> Figures:
    generator.run_for(warm_s, 0.0)
    killed = driver.kill()
    # Records in flight may still become visible: only later records prove the recovery.
    first = watch.first(generator, lambda fact: fact.sent_at > killed, deadline_s=_DEADLINE_S)
    new = first
    if new.latency >= _CAUGHT_UP_S:
        new = watch.first(generator, lambda fact: fact.latency < _CAUGHT_UP_S, deadline_s=_DEADLINE_S)
    return {_FIRST: first.at - killed, _CAUGHT_UP: new.at - killed}
