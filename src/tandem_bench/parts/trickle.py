"""A trickle: the cost of the environment with its own producers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.compose.compose_project import Project
from tandem.platforms.local_services.layout import Layout
from tandem.settings.model import Settings
from tandem_bench.bulk_load import ends_of, own_topics
from tandem_bench.load_generator import Watch
from tandem_bench.parts.steady import Figures, title_of, verified
from tandem_bench.reports import Reports, batch_times
from tandem_bench.result import Part, Rounds, percentile
from tandem_bench.run_config import RunConfig
from tandem_bench.service_usage import Usage, UsageMeter
from tandem_bench.testbed import ignoring_interrupts, running_job, variables

# The rate of .env, in orders a second.
_ORDERS_PER_S = 5
_PRODUCERS = "producers"
_DEADLINE_S = 600.0

Beside = Mapping[str, int]


def measure(config: RunConfig) -> Part:
    """Returns the processor time of each service, latency and batches."""
    warm_s, seconds = config.times(60.0 if config.quick else 300.0, 20.0 if config.quick else 60.0)
    found = Rounds(config.say)
    for settings in config.environments:
        config.say(f"trickle, {title_of(settings)}: waiting {warm_s:.0f} s")
        with running_job(settings), Reports(settings) as reports:
            with _producers(settings) as beside:
                # The producers start meanwhile.
                reports.loaded(began := time.time(), began)
                time.sleep(warm_s)
                rounds = [_minute(settings, reports, beside, seconds) for _ in range(config.rounds)]
            remark = verified(settings, reports)
        for figures in rounds:
            found.add(title_of(settings), figures, remark)
    conditions = {"orders/s": _ORDERS_PER_S, "warm s": int(warm_s), "seconds": int(seconds), "rounds": config.rounds}
    return Part("trickle", "The environment with its own producers", found.rows(), conditions)


def _minute(settings: Settings, reports: Reports, beside: Beside, seconds: float) -> Figures:
    with Watch(settings.mongo) as watch:
        meter, since = UsageMeter(settings, beside), time.time()
        time.sleep(seconds)
        used, until = meter.stop(), time.time()
        # The facts of the last records, too.
        reports.drained(ends_of(settings.kafka, own_topics()), deadline_s=_DEADLINE_S)
        latencies = [at - dated for at, dated in watch.dated() if since <= dated < until]
    batches = reports.loaded(since, until)
    return {
        **_cores(used),
        ("event to document, median", "s"): percentile(latencies, 0.5),
        ("event to document, 99 %", "s"): percentile(latencies, 0.99),
        ("batches", "1/s"): len(batches) / seconds,
        **{(name, "ms"): value for name, value in batch_times(batches).items()},
    }


def _cores(used: Usage) -> Figures:
    return {
        ("all", "cores"): sum(used.cores.values()),
        **{(name, "cores"): value for name, value in sorted(used.cores.items())},
    }


@contextmanager
def _producers(settings: Settings) -> Iterator[Beside]:
    """Runs the environment's own producers.

    Yields the process ids of those that are not among its services.
    """
    if settings.backend == "compose":
        compose = Project(settings).compose(settings)
        if compose.run("up", "--detach", "--no-deps", _PRODUCERS) != 0:
            raise EnvironmentNotReadyError("the producers could not be started", hint="see Compose's output above")
        try:
            yield {}
        finally:
            with ignoring_interrupts():
                compose.run("stop", _PRODUCERS)
        return
    command = (sys.executable, "-m", "tandem.producer", f"--rate={_ORDERS_PER_S}")
    with Layout(settings.home).log(_PRODUCERS).open("wb") as log:
        process = subprocess.Popen(command, env=dict(variables(settings)), stdout=log, stderr=log)
    try:
        yield {_PRODUCERS: process.pid}
    finally:
        with ignoring_interrupts():
            process.terminate()
            process.wait()
