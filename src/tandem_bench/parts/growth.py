"""Growth: costs by the size of the backlog and of the state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from tandem.local_spark.heap import machine_memory
from tandem.settings.model import Settings
from tandem_bench.bulk_load import load
from tandem_bench.parts import drains
from tandem_bench.reports import Report, batch_milliseconds
from tandem_bench.result import Figure, Part, Row
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import Testbed, new_testbed

_TIMES = (8, 4, 2, 1)
_FEW = 10
# The heap for each record of a drain. All records are in state, with about 700 bytes each; the rest is for new records.
_HEAP_BYTES = 1500
_LEAST_HEAP_GIB = 4
# For Kafka, MongoDB and the system.
_OTHERS_GIB = 4


class _Found(NamedTuple):
    """A drain, and the commit of a batch of a few records after it."""

    drain: drains.Drain
    few: Report


def measure(config: RunConfig) -> Part:
    """Returns the rates of growing drains, and the times of small batches.

    The backlogs are half, once, twice and four times the bench's number of records.
    """
    least = config.records // 2
    wanted = [times * least for times in _TIMES]
    sizes = fitting(wanted, machine_memory() / 2**30)
    if missing := [size for size in wanted if size not in sizes]:
        config.say(f"growth skips {missing}: so many records do not fit into this machine's memory")
    by_size: dict[int, list[_Found]] = {size: [] for size in sizes}
    heap = heap_gib(sizes[0])
    with new_testbed(_with_heap(drains.patient(config.settings), heap)) as testbed:
        for number in range(config.rounds):
            config.say(f"growth, round {number + 1} of {config.rounds}")
            for size in sizes if number % 2 == 0 else reversed(sizes):
                testbed.fresh()
                by_size[size].append(_drained(config, testbed, least, size))
    rows = [
        Row(
            f"{size:,} records".replace(",", " "),
            "records/s",
            Figure(tuple(each.drain.rate for each in by_size[size])),
            remark=_state(by_size[size][-1].drain.report),
            compared=size != sizes[0],
        )
        for size in sizes
    ] + [
        Row(
            f"then {_FEW} records",
            "ms",
            Figure(tuple(value for each in by_size[size] for value in batch_milliseconds([each.few]))),
            remark=_state(by_size[size][-1].few),
        )
        for size in sizes
    ]
    return Part(
        "growth", "Drains of more and more records, warm Java", rows, {"rounds": config.rounds, "heap GiB": heap}
    )


def fitting(sizes: Sequence[int], memory: float) -> list[int]:
    """Returns the numbers of records whose state fits into the memory.

    The memory is in GiB; the smallest number is always included.
    """
    return [size for size in sizes if heap_gib(size) <= memory - _OTHERS_GIB] or [min(sizes)]


def heap_gib(records: int) -> int:
    """Returns the heap that a drain of so many records needs, in GiB."""
    return max(_LEAST_HEAP_GIB, math.ceil(records * _HEAP_BYTES / 2**30))


def _with_heap(settings: Settings, gib: int) -> Settings:
    return settings.model_copy(update={"spark": {**settings.spark, "spark.driver.memory": f"{gib}g"}})


def _drained(config: RunConfig, testbed: Testbed, warm_up: int, size: int) -> _Found:
    ends = load(testbed.settings.kafka, config.plan(0, records=warm_up))
    with testbed.driver() as driver:
        first = drains.cold(driver, ends)
        plan = config.plan(1, records=size)
        drain = drains.warm(testbed.settings.kafka, driver, plan, first.ends)
        ends = drain.ends
        # The second of them has only its own records to process: the first has closed a few more windows.
        for number in range(2):
            start = plan.start + plan.span + timedelta(seconds=number)
            # An order and a payment for each of the count.
            after = replace(plan, count=_FEW // 2, start=start, span=timedelta(seconds=1))
            few = drains.warm(testbed.settings.kafka, driver, after, ends)
            ends = few.ends
        return _Found(drain, few.report)


def _state(report: Report) -> str:
    events, size = report["state_events"], report["state_bytes"]
    return f"{events:,} events in state, {size / 2**30:.2f} GiB".replace(",", " ")
