"""Soak: whether memory, files and batches stay constant over time."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import Any

from tandem.platforms.local_services.layout import Layout
from tandem.settings.model import Settings
from tandem_bench.consumption import driver_processes, reading_of
from tandem_bench.correctness import account
from tandem_bench.load_generator import LoadGenerator
from tandem_bench.reports import Reports, batch_milliseconds
from tandem_bench.result import Figure, Part, Row
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import running_job

_RATE = 2000.0
_EVERY_S = 10.0
_VERIFY_S = 300.0
_METRICS_S = 10.0
# So short that windows close all the time; records belong together within 20 seconds.
_WINDOW_S, _LATENESS_S = 60, 10
# Until as many windows close as open, and Java has compiled its code.
_WARM_S = 3.0 * (_WINDOW_S + _LATENESS_S)
# The memory that is in use after a collection.
_LEFT = "left by a collection"
_BATCHES = f"batches in {_EVERY_S:.0f} s"
_UNITS = {
    "events in state": "number",
    "state bytes": "MiB",
    "memory of the driver": "GiB",
    _LEFT: "MiB",
    "checkpoint": "files",
    _BATCHES: "number",
    "a batch": "ms",
}
# The metric of the old generation of the profile's collector; a full collection leaves the young generation empty.
_USED_AFTER = "tandem.driver.jvm.pools.PS-Old-Gen.used-after-gc"


def measure(config: RunConfig) -> Part:
    """Returns the medians of the first and the last quarter of the time.

    A warm-up comes first.
    """
    seconds = 120.0 if config.quick else 1800.0
    settings = _short_windows(config.settings)
    samples: list[Mapping[str, float]] = []
    with running_job(settings), Reports(settings) as reports:
        with LoadGenerator(settings.kafka, _RATE) as generator:
            config.say(f"soak, {(_WARM_S + seconds) / 60:.0f} minutes")
            generator.run_for(_WARM_S, 0.0)
            while len(samples) < seconds / _EVERY_S:
                since, until = generator.run_for(0.0, _EVERY_S)
                batches = reports.batches(since, until)
                if batches:
                    samples.append(_sample(batches, settings))
        remark = account(settings, deadline_s=_VERIFY_S)
    rows = []
    for name, unit in _UNITS.items():
        first, last = quarters([sample[name] for sample in samples])
        rows += [
            Row(f"{name}, last quarter", unit, Figure((last,)), remark=f"{last / first:.2f} times the first"),
            Row(f"{name}, first quarter", unit, Figure((first,))),
        ]
    conditions = {"records/s": int(_RATE), "seconds": int(seconds), "match window": _WINDOW_S, "lateness": _LATENESS_S}
    collected = " ".join(f"{mib:.0f}" for mib, _ in groupby(sample[_LEFT] for sample in samples))
    return Part(
        "soak",
        "A steady load while windows open and close",
        rows,
        {**conditions, "left by each collection": collected, "result": remark},
    )


def quarters(values: Sequence[float]) -> tuple[float, float]:
    """Returns the medians of the first and the last quarter of the values."""
    size = max(1, len(values) // 4)
    return median(values[:size]), median(values[-size:])


def _short_windows(settings: Settings) -> Settings:
    parameters = {**settings.job.parameters, "match_window_seconds": _WINDOW_S}
    job = settings.job.model_copy(update={"lateness_seconds": _LATENESS_S, "parameters": parameters})
    return settings.model_copy(update={"job": job})


def _left_bytes(settings: Settings) -> float:
    """Returns the bytes in use after the newest full collection.

    The driver's page has this metric.
    """
    # Without the user's proxy.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{settings.ui.spark_port}/metrics/json/", timeout=_METRICS_S) as answer:
        return float(json.load(answer)["gauges"][_USED_AFTER]["value"])


def _sample(batches: Sequence[Mapping[str, Any]], settings: Settings) -> dict[str, float]:
    newest = batches[-1]
    checkpoint = Layout(settings.home).checkpoint
    return {
        "events in state": float(newest["state_events"]),
        "state bytes": newest["state_bytes"] / 2**20,
        "memory of the driver": reading_of(driver_processes(settings)).memory / 2**30,
        _LEFT: _left_bytes(settings) / 2**20,
        "checkpoint": float(sum(path.is_file() for path in checkpoint.rglob("*"))),
        _BATCHES: float(len(batches)),
        "a batch": median(batch_milliseconds(batches) or [0.0]),
    }
