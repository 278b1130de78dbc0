"""Waits until the job has committed what is in the topics and its watermark has come as far as the records imply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pymongo.database import Database
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from tandem.engine.declare.stream import PROGRESS_COLLECTION
from tandem.errors import TandemError
from tandem.verify.record import Offsets

_PAUSE_SECONDS = 0.5

Ends = Mapping[str, Offsets]
RESUMES = "once that is mended, `tandem down` and `tandem up` go on where it was"
# Says in one line what does not mend by itself, or None.
Problem = Callable[[], str | None]


def await_settled(
    database: Database[dict[str, Any]],
    pipeline: str,
    ends: Ends,
    watermark_ms: int,
    *,
    deadline_s: float,
    problem: Problem,
) -> int | None:
    """Returns how many records the job has dropped as late, once it has nothing left to do with these records.

    None when it cannot know: it was ended between a batch's commit and its report.

    Args:
        database: the pipeline's.
        pipeline: under which name the job reports.
        ends: the offset after each partition's last record, by topic.
        watermark_ms: the watermark that the records imply; 0 for none.
        deadline_s: how long to wait, in seconds.
        problem: asked while it waits; there is no use in waiting for a job that cannot go on.

    Raises:
        TandemError: it has not come so far by the deadline, and how far it came; or there is a problem.
    """

    newest: dict[str, Any] | None = None

    def missing() -> str | None:
        nonlocal newest
        newest = _newest(database, pipeline)
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
            hint="is the job running? `tandem status` tells, `tandem logs` why not",
        )
    if newest is None:
        return 0
    return None if newest["unreported"] else int(newest["late_total"])


def what_is_missing(progress: Mapping[str, Any] | None, ends: Ends, watermark_ms: int) -> str | None:
    """Returns what the job still has to do, in words, or None.

    Args:
        progress: the job's newest report, dates as ``DatetimeMS``; None when there is none.
        ends: as for ``await_settled``.
        watermark_ms: as for ``await_settled``.
    """
    if progress is None:
        return "it has never reported"
    committed: Mapping[str, Mapping[str, int]] = progress.get("committed") or {}
    lag = sum(
        max(0, end - committed.get(topic, {}).get(str(partition), 0))
        for topic, offsets in ends.items()
        for partition, end in offsets.items()
    )
    state = f"its newest report is batch {progress.get('batch')} ({progress.get('event')})"
    if lag:
        return f"{lag} offsets are not committed; {state}"
    reached = progress.get("watermark")
    if watermark_ms > (0 if reached is None else int(reached)):
        return f"all is committed, but its watermark is {_ago(watermark_ms, reached)}; {state}"
    return None


def _ago(watermark_ms: int, reached: Any) -> str:
    return "not set" if reached is None else f"{(watermark_ms - int(reached)) / 1000:.3f} s behind"


def _newest(database: Database[dict[str, Any]], pipeline: str) -> dict[str, Any] | None:
    # A capped collection keeps the order of insertion.
    return database[PROGRESS_COLLECTION].find_one({"pipeline": pipeline}, sort=[("$natural", -1)])
