"""Measures a steady load: latency, batches and consumption."""

from __future__ import annotations

from dataclasses import dataclass

from tandem.settings.model import Settings
from tandem_bench.bulk_load import ends_of, own_topics
from tandem_bench.consumption import OF_THE_JOB
from tandem_bench.correctness import account
from tandem_bench.load_generator import LoadGenerator, Watch, quantiles
from tandem_bench.reports import Reports, batch_times
from tandem_bench.service_usage import Usage, UsageMeter

RATE = 1000.0
# Payments come up to 20 seconds before their orders.
LEAST_WARM_S = 20.0
_DEADLINE_S = 1800.0
_TITLES = {"embedded": "processes", "compose": "containers"}

# Values by name and unit.
Figures = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Steady:
    """The measurement of a steady load.

    Attributes:
        p50: the median from the producer to the change stream, in seconds.
        p99: likewise, the 99th percentile.
        batches: the medians of a batch and of its phases, in milliseconds, by title.
        usage: the consumption of the services.
        state_events: the events in state at the end.
    """

    p50: float
    p99: float
    batches: dict[str, float]
    usage: Usage
    state_events: int

    def figures(self) -> Figures:
        """Returns the values for the table."""
        return self.speed() | consumption(self.usage)

    def speed(self) -> Figures:
        """Returns the latencies and the times of a batch."""
        return {
            ("produce to document, median", "s"): self.p50,
            ("produce to document, 99 %", "s"): self.p99,
            **{(name, "ms"): value for name, value in self.batches.items()},
        }


def consumption(usage: Usage) -> Figures:
    """Returns the processor time of the services, and the job's memory."""
    job = [name for name in OF_THE_JOB if name in usage.cores]
    return {
        ("all services", "cores"): sum(usage.cores.values()),
        **{(name, "cores"): usage.cores[name] for name in job},
        **{(name, "GiB"): usage.memory[name] for name in job},
    }


def measured(settings: Settings, reports: Reports, rate: float, warm_s: float, seconds: float) -> Steady:
    """Returns the measurement of one steady load.

    Args:
        settings: of an environment whose job runs.
        reports: the reports of its driver.
        rate: records a second.
        warm_s: seconds of load before the measured time.
        seconds: the measured time.

    Raises:
        EnvironmentNotReadyError: half an hour later, the job has not caught up.
        TandemError: the bench could not send so much, or a service was restarted.
    """
    with Watch(settings.mongo) as watch, LoadGenerator(settings.kafka, rate) as generator:
        generator.run_for(warm_s, 0.0)
        meter = UsageMeter(settings)
        since, until = generator.run_for(0.0, seconds)
        used = meter.stop()
        generator.end()
        # So that a slow job's facts are all among them.
        reports.drained(ends_of(settings.kafka, own_topics()), deadline_s=_DEADLINE_S)
        seen = watch.seen(generator)
    batches = reports.loaded(since, until)
    p50, p99 = quantiles(seen, since, until)
    return Steady(p50, p99, batch_times(batches), used, batches[-1]["state_events"])


def verified(settings: Settings, reports: Reports) -> str:
    """Verifies the job's result.

    Returns a remark with the number of records and the driver's Java.

    Raises:
        TandemError: the result is wrong, so the measurement is invalid.
    """
    return f"{account(settings, deadline_s=_DEADLINE_S)}, Java {reports.newest()['runtime']['java']}"


def ratios(ours: Figures, base: Figures) -> Figures:
    """Returns the ratio of each value to that of the same name and unit."""
    return {(name, "times"): ours[name, unit] / base[name, unit] for name, unit in base}


def title_of(settings: Settings) -> str:
    """Returns how tables name an environment."""
    return _TITLES[settings.backend]
