"""Growth: whether a record costs the same however many wait."""

from __future__ import annotations

from tandem.bench.arithmetic import Figure
from tandem.bench.bench import Bench
from tandem.bench.load import load
from tandem.bench.parts import drains
from tandem.bench.result import Part, Row
from tandem.bench.stage import Stage, staged

_TIMES = (8, 4, 2, 1)


def measure(bench: Bench) -> Part:
    """Returns records per second of drains of half, once, twice and four times the bench's number of records."""
    least = bench.records // 2
    sizes = [times * least for times in _TIMES]
    found: dict[int, list[drains.Drain]] = {size: [] for size in sizes}
    with staged(drains.patient(bench.settings)) as stage:
        for number in range(bench.rounds):
            bench.say(f"growth, round {number + 1} of {bench.rounds}")
            for size in sizes if number % 2 == 0 else reversed(sizes):
                stage.fresh()
                found[size].append(_drained(bench, stage, least, size))
    rows = [
        Row(
            f"{size:,} records".replace(",", " "),
            "records/s",
            Figure(tuple(drain.rate for drain in found[size])),
            remark=_state(found[size][-1]),
            compared=size != sizes[0],
        )
        for size in sizes
    ]
    return Part("growth", "Drains of more and more records, warm Java", rows, {"rounds": bench.rounds})


def _drained(bench: Bench, stage: Stage, warm_up: int, size: int) -> drains.Drain:
    ends = load(stage.settings.kafka, bench.plan(0, records=warm_up))
    with stage.driver() as driver:
        first = drains.cold(driver, ends)
        return drains.warm(stage, driver, bench.plan(1, records=size), first.ends)


def _state(drain: drains.Drain) -> str:
    rows, size = drain.report["state_rows"], drain.report["state_bytes"]
    return f"{rows:,} rows in state, {size / 2**30:.2f} GiB".replace(",", " ")
