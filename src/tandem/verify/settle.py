"""Waits until the job has processed all records.

If the query keeps state, its watermark must also have reached the implied one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from tandem.engine.declare.stream import JOB_COLLECTION, STATE_OPERATORS
from tandem.errors import TandemError
from tandem.verify.topics import Ends
from tandem.verify.totals import Dropped

_PAUSE_SECONDS = 0.5

RESUMES = "after fixing it, run `tandem submit`; the job resumes where it stopped"
# Returns one line about a problem that does not resolve by itself, or None.
FindProblem = Callable[[], str | None]


def await_settled(
    database: Database[dict[str, Any]],
    pipeline: str,
    ends: Ends,
    watermark_ms: int,
    *,
    deadline_s: float,
    problem: FindProblem,
) -> Dropped:
    """Waits for the job to process the records.

    Returns the number that it dropped as late.

    Args:
        database: the pipeline's database.
        pipeline: the name under which the job reports.
        ends: the offset after each partition's last record, by topic.
        watermark_ms: the watermark that the records imply; 0 for none.
        deadline_s: how long to wait, in seconds.
        problem: called while waiting; a problem ends the wait.

    Raises:
        TandemError: the job has not caught up by the deadline, or there is a problem.
    """

    newest: dict[str, Any] | None = None

    def missing() -> str | None:
        nonlocal newest
        newest = newest_report(database[JOB_COLLECTION], pipeline)
        left = what_is_missing(newest, ends, watermark_ms)
        if left and (wrong := problem()):
            raise TandemError(wrong, hint=RESUMES)
        return left

    last = Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(deadline_s),
        wait=wait_fixed(_PAUSE_SECONDS),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )(missing)
    if last:
        raise TandemError(
            f"waited {deadline_s:.0f} s for the job to catch up: {last}",
            hint="check with `tandem status` that the job is running; `tandem logs` shows why not",
        )
    return Dropped(0) if newest is None else Dropped(int(newest["late_total"]), int(newest["unreported"]))


def what_is_missing(progress: Mapping[str, Any] | None, ends: Ends, watermark_ms: int) -> str | None:
    """Returns a description of the job's remaining work, or None.

    Args:
        progress: the job's newest report, dates as ``DatetimeMS``; None if there is none.
        ends: as for ``await_settled``.
        watermark_ms: as for ``await_settled``.
    """
    if progress is None:
        return "the job has not reported yet"
    committed: Mapping[str, Mapping[str, int]] = progress.get("committed") or {}
    lag = sum(
        max(0, end - committed.get(topic, {}).get(str(partition), 0))
        for topic, offsets in ends.items()
        for partition, end in offsets.items()
    )
    state = f"its newest report is batch {progress.get('batch')} ({progress.get('event')})"
    if lag:
        return f"{lag} offsets are not committed; {state}"
    if progress.get(STATE_OPERATORS) == 0:
        # No row waits for the watermark, and Spark advances it with the next records alone.
        return None
    reached = progress.get("watermark")
    if watermark_ms > (0 if reached is None else int(reached)):
        return f"all records are committed, but its watermark is {_ago(watermark_ms, reached)}; {state}"
    return None


def _ago(watermark_ms: int, reached: Any) -> str:
    return "not set" if reached is None else f"{(watermark_ms - int(reached)) / 1000:.3f} s behind"


def newest_report(reports: Collection[dict[str, Any]], pipeline: str) -> dict[str, Any] | None:
    """Returns the newest report of a pipeline's job; None if there is none."""
    return reports.find_one({"_id": pipeline})
