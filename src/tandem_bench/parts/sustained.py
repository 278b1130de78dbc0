"""Sustained rate: the highest load at which the lag does not grow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from tandem.settings.model import Settings
from tandem_bench.bulk_load import count, ends_of, own_topics
from tandem_bench.full_state import fill
from tandem_bench.parts.steady import Figures, consumption, title_of, verified
from tandem_bench.plain_load import PlainLoad
from tandem_bench.rate_search import is_flat, next_rate
from tandem_bench.render import grouped
from tandem_bench.reports import Report, Reports, batch_times
from tandem_bench.result import Part, Rounds
from tandem_bench.run_config import RunConfig
from tandem_bench.service_usage import Usage, UsageMeter
from tandem_bench.testbed import running_job

_FIRST_RATE = 8000.0
_TRIES = 5
_LAGS = {True: "flat", False: "growing"}
_EVERY_S = 1.0
# A job so far behind does not keep up.
_FAR_BEHIND_S = 60.0
_DEADLINE_S = 1800.0


@dataclass(frozen=True)
class _Held:
    """A rate that the job sustained."""

    lag_s: float
    batches: dict[str, float]
    usage: Usage
    remark: str

    def figures(self, rate: float) -> Figures:
        """Returns the values for the table."""
        return {
            ("highest rate with a flat lag", "records/s"): rate,
            ("the lag, median", "s"): self.lag_s,
            **{(name, "ms"): value for name, value in self.batches.items()},
            **consumption(self.usage),
        }


def measure(config: RunConfig) -> Part:
    """Returns the highest sustained rate in each environment.

    It tries the given rates, or searches.
    """
    warm_s, seconds = config.times(60.0, 30.0 if config.quick else 300.0)
    found = Rounds(config.say)
    for settings in config.environments:
        tried: dict[float, _Held | None] = {}
        while rate := next_to_try(config, {each: held is not None for each, held in tried.items()}):
            config.say(f"sustained, {title_of(settings)}, {grouped(rate)} records/s")
            tried[rate] = _try(settings, config.rows, rate, warm_s, seconds)
        found.add(title_of(settings), *_summary(tried))
    conditions = {"rows": config.rows, "warm s": int(warm_s), "seconds": int(seconds)}
    return Part("sustained", "The highest load that the job sustains with full windows", found.rows(), conditions)


def next_to_try(config: RunConfig, tried: Mapping[float, bool]) -> float | None:
    """Returns the next of the given rates, or of a search; None at the end."""
    if config.rates:
        return next((rate for rate in config.rates if rate not in tried), None)
    return next_rate(tried, _FIRST_RATE) if len(tried) < (2 if config.quick else _TRIES) else None


def _summary(tried: Mapping[float, _Held | None]) -> tuple[Figures, str]:
    """Returns the values for the table, and a remark."""
    held = {rate: attempt for rate, attempt in tried.items() if attempt}
    failed = [rate for rate in tried if rate not in held]
    remarks = [held[max(held)].remark] if held else []
    remarks.append(f"tried {', '.join(f'{grouped(rate)} {_LAGS[rate in held]}' for rate in tried)}")
    figures = held[max(held)].figures(max(held)) if held else {}
    if failed:
        figures["lowest rate with a growing lag", "records/s"] = min(failed)
    return figures, "; ".join(remarks)


def _try(settings: Settings, rows: int, rate: float, warm_s: float, seconds: float) -> _Held | None:
    """Returns the figures of a rate; None if the lag grows."""
    with running_job(settings), Reports(settings) as reports:
        fill(settings, reports, rows)
        before = count(ends_of(settings.kafka, own_topics()))
        with PlainLoad(settings.kafka, rate) as load:
            load.wait(warm_s)
            meter, since, sent = UsageMeter(settings), time.time(), load.sent
            lags = _lags(load, reports, before, rate, seconds)
            if lags is None:
                return None
            until, used = time.time(), meter.stop()
            load.check(sent, until - since)
            load.end()
        reports.drained(ends_of(settings.kafka, own_topics()), deadline_s=_DEADLINE_S)
        batches = reports.loaded(since, until)
        remark = f"{grouped(batches[-1]['state_events'])} events in state; {verified(settings, reports)}"
        return _Held(median(lags) / rate, batch_times(batches), used, remark)


def _lags(load: PlainLoad, reports: Reports, before: int, rate: float, seconds: float) -> list[float] | None:
    """Returns the lags of the measured time, in records; None if they grow."""
    times, lags = [], []
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        lag = before + load.sent - committed_records(reports.newest())
        if lag > _FAR_BEHIND_S * rate:
            return None
        times.append(now)
        lags.append(float(max(0, lag)))
        load.wait(_EVERY_S)
    return lags if is_flat(times, lags, rate) else None


def committed_records(report: Report) -> int:
    """Returns the number of records that are committed after a report's batch."""
    return sum(offset for offsets in report["committed"].values() for offset in offsets.values())
