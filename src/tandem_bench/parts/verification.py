"""Verification: how long `verify` takes, and how much memory it needs."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tandem.errors import TandemError
from tandem.settings.model import Settings
from tandem.verify.parallel.workers import processors
from tandem.verify.verify import verify
from tandem_bench.bulk_load import load
from tandem_bench.consumption import memory_of
from tandem_bench.reports import Reports
from tandem_bench.result import Part, Rounds
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import running_job

_DEADLINE_S = 3600.0
_SAMPLE_S = 0.5
# One process keeps all records in memory, 1 GB for a million.
_MOST_IN_MEMORY = 5_000_000
_NEVER = 10**18


def measure(config: RunConfig) -> Part:
    """Returns time and peak memory of `verify`, in one process and in several."""
    found = Rounds(config.say)
    for number in range(config.rounds):
        config.say(f"verification, round {number + 1} of {config.rounds}")
        with running_job(config.settings), Reports(config.settings) as reports:
            report = reports.drained(load(config.settings.kafka, config.plan(0)), deadline_s=_DEADLINE_S)
            reports.settled(report, deadline_s=_DEADLINE_S)
            found.add(*_of(config.settings, f"{processors()} worker processes", 0))
            if config.records <= _MOST_IN_MEMORY:
                found.add(*_of(config.settings, "one process", _NEVER))
    conditions = {"records": config.records, "rounds": config.rounds}
    return Part("verification", "The verification of a backlog's documents", found.rows(), conditions)


def _of(settings: Settings, group: str, parallel_from: int) -> tuple[str, dict[tuple[str, str], float], str]:
    start = time.monotonic()
    with _peak_memory() as peak:
        report = verify(settings, settle_deadline_s=_DEADLINE_S, parallel_from=parallel_from)
    seconds = time.monotonic() - start
    if not report.ok:
        raise TandemError("the job's result is wrong", hint="see its log; the measurement is invalid")
    figures = {("time", "s"): seconds, ("peak memory of all processes", "MB"): max(peak) / 1e6}
    return group, figures, f"{report.total['consumed']} records"


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """Yields a list of samples of the memory of this process and its workers."""
    samples: list[int] = []
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(_SAMPLE_S):
            pids = [os.getpid(), *(each.pid for each in multiprocessing.active_children() if each.pid)]
            with suppress(psutil.NoSuchProcess):
                samples.append(sum(memory_of(psutil.Process(pid)) for pid in pids))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
        samples.append(0)
