"""Containers: a drain in containers, beside the same drain as processes."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.platforms.compose.containers import Containers
from tandem.platforms.compose.engine import find_engine
from tandem.settings.model import Settings
from tandem_bench.bulk_load import ends_of, own_topics
from tandem_bench.consumption import JobDriver
from tandem_bench.parts import drains
from tandem_bench.parts.steady import Figures, consumption, ratios, title_of, verified
from tandem_bench.reports import Reports
from tandem_bench.result import Part, Rounds
from tandem_bench.run_config import RunConfig
from tandem_bench.service_usage import UsageMeter
from tandem_bench.testbed import running_job

_FIRST, _WARM, _CLOSED = (
    ("a first drain", "records/s"),
    ("a warm drain", "records/s"),
    ("a warm drain, until windows close", "records/s"),
)


def measure(config: RunConfig) -> Part:
    """Returns records per second of drains in both environments, and their ratios."""
    found = Rounds(config.say)
    both = (config.containers, config.settings)
    for number in range(config.rounds):
        config.say(f"containers, round {number + 1} of {config.rounds}")
        rates: dict[str, Figures] = {}
        for settings in both if number % 2 == 0 else reversed(both):
            title = title_of(settings)
            rates[title], memory, remark = _drained(config, drains.patient(settings))
            found.add(title, rates[title] | memory, remark)
        ours, base = (rates[title_of(settings)] for settings in both)
        found.add("containers over processes", ratios(ours, base))
    conditions = {"records": config.records, "rounds": config.rounds}
    return Part("containers", "Records that wait are drained, beside all services", found.rows(), conditions)


def _drained(config: RunConfig, settings: Settings) -> tuple[Figures, Figures, str]:
    """Returns the rates, the memory, and a remark about the records."""
    with running_job(settings), Reports(settings) as reports:
        driver = JobDriver(settings, reports)
        first = drains.warm(settings.kafka, driver, config.plan(0), ends_of(settings.kafka, own_topics()))
        meter = UsageMeter(settings)
        warm = drains.warm(settings.kafka, driver, config.plan(1), first.ends)
        memory = {key: value for key, value in consumption(meter.stop()).items() if key[1] == "GiB"}
        rates = {_FIRST: first.rate, _WARM: warm.rate, _CLOSED: warm.rate_closed}
        if settings.backend == "compose" and settings.project:
            memory |= image_figures(Containers(find_engine()).image_sizes(settings.project))
        return rates, memory, verified(settings, reports)


def image_figures(sizes: Mapping[str, int]) -> Figures:
    """Returns the size of each image, the largest first.

    Args:
        sizes: the bytes by the image's name.
    """
    return {(f"image {name}", "GB"): size / 1e9 for name, size in sorted(sizes.items(), key=lambda each: -each[1])}
