"""Makes the spans of a batch from the job's report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tandem.dashboard.mongo import milliseconds
from tandem.engine.write.batch_steps import COMPUTE, DOCUMENTS, LETTERS

Value = str | int
# Spark's phases in their order, with the names of their spans.
_PHASES = {
    "latestOffset": "look for records",
    "walCommit": "write offsets",
    "getBatch": "get batch",
    "queryPlanning": "plan",
    "addBatch": "join and write",
    "commitOffsets": "commit",
}
_WHOLE, _WRITING = "triggerExecution", "addBatch"
_STEPS = {COMPUTE: "read and join", DOCUMENTS: "write documents", LETTERS: "append dead letters"}
# The report's numbers among the attributes.
_NUMBERS = {
    "batch": "tandem.batch",
    "input_rows": "messaging.batch.message_count",
    "late": "tandem.late",
    "dead_letters": "tandem.dead_letters",
    "state_events": "tandem.state.events",
    "state_bytes": "tandem.state.bytes",
}


@dataclass(frozen=True)
class BatchSpan:
    """One span of a batch.

    Attributes:
        name: the name.
        begin_ms: the beginning, in milliseconds since 1970 by the driver's clock.
        end_ms: the end.
        attributes: the attributes.
        children: the spans within.
    """

    name: str
    begin_ms: int
    end_ms: int
    attributes: Mapping[str, Value]
    children: tuple[BatchSpan, ...] = ()


def trace_of(report: Mapping[str, Any]) -> BatchSpan | None:
    """Returns the outermost span of a batch.

    None if the report has no times, because a driver of another version wrote it.

    Spark reports how long each phase took, but not when it began. The phases follow each other, so each begins where
    the one before ended. The steps within ``join and write`` have times of their own.
    """
    begin_ms, durations = milliseconds(report.get("begun_at")), report.get("durations_ms") or {}
    if begin_ms is None or _WHOLE not in durations:
        return None
    children = tuple(_phases(begin_ms, durations, report.get("steps") or ()))
    end_ms = max(begin_ms + int(durations[_WHOLE]), *(child.end_ms for child in children), begin_ms)
    return BatchSpan("batch", begin_ms, end_ms, _attributes(report), children)


def _attributes(report: Mapping[str, Any]) -> dict[str, Value]:
    numbers = {name: int(report[field]) for field, name in _NUMBERS.items() if report.get(field) is not None}
    texts = {"messaging.system": "kafka", "tandem.pipeline": str(report["pipeline"]), "tandem.run": str(report["run"])}
    watermark = milliseconds(report.get("watermark"))
    return {**texts, **numbers, **({} if watermark is None else {"tandem.watermark_ms": watermark})}


def _phases(begin_ms: int, durations: Mapping[str, Any], steps: Iterable[Mapping[str, Any]]) -> Iterator[BatchSpan]:
    within = tuple(map(_step, steps))
    for phase, name in _PHASES.items():
        if phase not in durations:
            continue
        ms, children = int(durations[phase]), within if phase == _WRITING else ()
        # The pauses between phases are unknown, but a phase ends after its last step. Milliseconds are rounded, so its
        # first step may seem to begin too early.
        begin_ms = max(begin_ms, *(child.end_ms - ms for child in children), begin_ms)
        begin_ms = min(begin_ms, *(child.begin_ms for child in children), begin_ms)
        end_ms = max(begin_ms + ms, *(child.end_ms for child in children), begin_ms)
        yield BatchSpan(name, begin_ms, end_ms, {"spark.phase": phase}, children)
        begin_ms = end_ms


def _step(step: Mapping[str, Any]) -> BatchSpan:
    begin_ms, collection = int(step["at_ms"]), step.get("collection")
    attributes = {"db.system.name": "mongodb", "db.collection.name": str(collection)} if collection else {}
    return BatchSpan(_STEPS[step["step"]], begin_ms, begin_ms + int(step["ms"]), attributes)
