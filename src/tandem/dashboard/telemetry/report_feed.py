"""Passes on each report of a job once, also after an outage of MongoDB."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Report = Mapping[str, Any]
# Takes a report, and whether the job wrote it before the dashboard watched.
Follower = Callable[[Report, bool], None]
# Many more than a dashboard reads again after MongoDB did not answer.
_KEPT = 1000


class ReportFeed:
    """Passes on reports in their order.

    Args:
        follow: takes each report; it never raises.
    """

    def __init__(self, follow: Follower) -> None:
        self._follow = follow
        # Ids of reports, the newest last; None before the dashboard watches.
        self._seen: deque[Any] | None = None

    def catch_up(self, batches: Sequence[Report], newest: Report) -> None:
        """Takes what is stored when the dashboard begins to watch, or watches again.

        Args:
            batches: the reports of the last batches, the newest one first.
            newest: the newest report, which need not be one of a batch.
        """
        if self._seen is None:
            self._seen = deque((report["_id"] for report in batches), _KEPT)
            self._seen.append(newest["_id"])
            self._follow(newest, True)
        for report in (*reversed(batches), newest):
            self.take(report)

    def take(self, report: Report) -> None:
        """Takes a report that the job has just written."""
        self._seen = deque(maxlen=_KEPT) if self._seen is None else self._seen
        if report["_id"] not in self._seen:
            self._seen.append(report["_id"])
            self._follow(report, False)
