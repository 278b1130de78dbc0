"""Creates the warnings of a job's report for log, status and dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

# Fields of a job's report: when the last late records were dropped, and the topics that refuse control records.
LATE_AT, REFUSED = "late_at_ms", "refused_topics"
# A batch reads all records that wait. So batches of this length mean that records arrive faster than the job writes.
SLOW_MS = 300_000
# After this time without another late record, the warning ends.
_LATE_NEWS_S = 600.0


def warnings(report: Mapping[str, Any], now: float) -> dict[str, str]:
    """Returns the warnings of a report as sentences, by a code for programs.

    Args:
        report: the job's newest report; empty if there is none.
        now: the current time, in seconds since the epoch.
    """
    texts: dict[str, str] = {}
    late_at = report.get(LATE_AT)
    if late_at is not None and now - late_at / 1000 < _LATE_NEWS_S:
        texts["late"] = late(report["late_total"], late_at / 1000)
    if topics := report.get(REFUSED):
        texts["control"] = refused(topics)
    if (ms := batch_ms(report)) >= SLOW_MS:
        texts["slow"] = slow(ms)
    return texts


def batch_ms(report: Mapping[str, Any]) -> int:
    """Returns the milliseconds of a report's last batch; 0 if there is none."""
    return int((report.get("durations_ms") or {}).get("triggerExecution", 0))


def slow(ms: int) -> str:
    """Returns the consequence of a long batch, and what to do."""
    return (
        f"the last batch took {ms // 1000} seconds, and records wait meanwhile: if the lag grows, give the job more "
        "processors or memory, as docs/guides/volume.md explains"
    )


def late(total: int, last: float) -> str:
    """Returns the consequence of late records, and the command that repairs it.

    Args:
        total: the number of late records.
        last: when the job dropped the last one, in seconds since the epoch.
    """
    at = datetime.fromtimestamp(last, UTC).strftime("%H:%M:%S")
    return (
        f"{total:,} records were late, the last at {at} UTC: the watermark had passed them, so the job dropped them; "
        "run `tandem reconcile` to repair the documents"
    )


def refused(topics: Iterable[str]) -> str:
    """Returns the consequence of a missing WRITE right, and what to do."""
    names = ", ".join(sorted(topics))
    return (
        f"control records for topic {names} are refused (no WRITE right): unmatched documents will not appear while "
        f"{names} is quiet; grant WRITE on it to the job's Kafka user, or keep its producers sending"
    )
