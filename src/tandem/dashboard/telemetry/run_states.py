"""Follows the runs of a job through its reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from tandem.dashboard.mongo import milliseconds

# A running job sends an event this often.
_EVERY_MS = 60_000


class RunState(StrEnum):
    """The states of OpenLineage."""

    START = "START"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    ABORT = "ABORT"


_ENDS = {"stopped": RunState.COMPLETE, "failed": RunState.FAIL}


@dataclass(frozen=True)
class RunChange:
    """A state to send.

    Attributes:
        state: the state.
        run: the run of the job: a driver from its start, or its reload, to its end.
        at_ms: when, in milliseconds since 1970 by the driver's clock.
        spark: the version of Spark.
        error: the reason of a failure.
    """

    state: RunState
    run: UUID
    at_ms: int
    spark: str
    error: str | None = None


class RunStates:
    """Makes the changes of a job's runs from its reports, one after another."""

    def __init__(self) -> None:
        self._last: RunChange | None = None

    def of(self, report: Mapping[str, Any]) -> Iterator[RunChange]:
        """Yields the changes that a report tells.

        A run that ends without a report was killed. It is aborted when the next one reports.

        An end from before the dashboard's start is yielded, too, as the dashboard may have stopped before the job.
        """
        event, run, at_ms = report["event"], UUID(report["run"]), milliseconds(report["at"]) or 0
        spark, before = str((report.get("runtime") or {}).get("spark")), self._last
        is_new, end = before is None or before.run != run, _ENDS.get(event)
        if before and is_new and not _has_ended(before):
            yield RunChange(RunState.ABORT, before.run, at_ms, before.spark)
        state = end or (RunState.START if is_new and event == "started" else RunState.RUNNING)
        change = RunChange(state, run, at_ms, spark, report.get("error") if end is RunState.FAIL else None)
        if before and not is_new and (_has_ended(before) or (not end and at_ms - before.at_ms < _EVERY_MS)):
            return
        self._last = change
        yield change


def _has_ended(change: RunChange) -> bool:
    return change.state in (RunState.COMPLETE, RunState.FAIL)
