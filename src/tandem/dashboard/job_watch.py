"""Watches the job's reports in its capped collection."""

from __future__ import annotations

import time
from typing import Any

from pymongo.errors import PyMongoError

from tandem.dashboard.background import Watcher
from tandem.dashboard.mongo import Documents, milliseconds
from tandem.dashboard.state import Batch, PipelineState
from tandem.dashboard.telemetry.report_feed import ReportFeed
from tandem.engine.declare.stream import PROGRESS_COLLECTION

_HISTORY = 120
_AWAIT_MS = 500


class JobWatch(Watcher):
    """Keeps the job's newest report and its last batches.

    Args:
        database: the pipeline's database.
        pipeline: the pipeline's name.
        state: the state to write to.
        feed: takes each report, too.
    """

    def __init__(self, database: Documents, pipeline: str, state: PipelineState, feed: ReportFeed) -> None:
        super().__init__("job-watch", (PyMongoError,))
        self._database, self._pipeline, self._state, self._feed = database, pipeline, state, feed

    def watch(self) -> None:
        """See ``Watcher.watch``."""
        mine = [{"$match": {"operationType": "insert", "fullDocument.pipeline": self._pipeline}}]
        collection = self._database[PROGRESS_COLLECTION]
        with collection.watch(mine, max_await_time_ms=_AWAIT_MS) as stream:
            # Read after the stream is open, so that no report is missed; the stream may repeat some.
            known = self._catch_up()
            while stream.alive and not self.stopping.is_set():
                change = stream.try_next()
                if change is not None:
                    report = change["fullDocument"]
                    self.take(report, time.monotonic(), known=report["_id"] in known)
                    self._feed.take(report)

    def _catch_up(self) -> set[Any]:
        """Returns the ids of the reports of earlier batches."""
        reports = self._database[PROGRESS_COLLECTION]
        # A capped collection keeps the order of insertion.
        newest = reports.find_one({"pipeline": self._pipeline}, sort=[("$natural", -1)])
        if newest is None:
            return set()
        batches = list(
            reports.find({"pipeline": self._pipeline, "event": "batch"}, sort=[("$natural", -1)]).limit(_HISTORY)
        )
        with self._state.lock:
            self._state.batches.clear()
            self._state.batches.extend(_batch(document) for document in reversed(batches))
        # Only its own date tells the age of an earlier report.
        age = max(0.0, time.time() - (milliseconds(newest["at"]) or 0) / 1000)
        self.take(newest, time.monotonic() - age, known=True)
        self._feed.catch_up(batches, newest)
        return {document["_id"] for document in batches}

    def take(self, report: dict[str, Any], heard_at: float, *, known: bool = False) -> None:
        """Adds a report to the state.

        Args:
            report: the report.
            heard_at: when the job wrote it, by the monotonic clock.
            known: whether its batch is in the state already.
        """
        state = self._state
        with state.lock:
            moved = state.progress is None or _reached(state.progress) != _reached(report)
            # Each driver has a run of its own.
            if state.progress is None or state.progress.get("run") != report.get("run"):
                state.starts += 1
            state.progress, state.heard_at = report, heard_at
            if moved:
                state.still_since = None
            if report["event"] == "batch" and report["input_rows"]:
                state.records_at = heard_at
            if report["event"] == "batch" and not known:
                state.batches.append(_batch(report))
                state.changes += 1
                if not moved and report["input_rows"] and state.still_since is None:
                    state.still_since = heard_at
            state.touch()


def _reached(report: dict[str, Any]) -> tuple[Any, Any]:
    """Returns the watermark and the slowest stream's newest event time.

    The next watermark follows that time.
    """
    newest = [(noted or {}).get("newest_ms") for noted in (report.get("streams") or {}).values()]
    return report.get("watermark"), min((-1 if ms is None else ms for ms in newest), default=None)


def _batch(report: dict[str, Any]) -> Batch:
    phases = {str(name): int(ms) for name, ms in (report.get("durations_ms") or {}).items()}
    return Batch(
        number=int(report["batch"]),
        at=(milliseconds(report["at"]) or 0) / 1000,
        rows=int(report["input_rows"]),
        phases=phases,
        state_events=int(report.get("state_events") or 0),
        state_bytes=int(report.get("state_bytes") or 0),
    )
