"""Reports what the job does to a capped MongoDB collection: the same on a laptop and in the cloud."""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
    StreamingQueryProgress,
)

from tandem.engine.config import JobConfig
from tandem.engine.mongo import Collection
from tandem.engine.schema import PROGRESS_COLLECTION

_log = logging.getLogger(__name__)


class ProgressReporter:
    """Writes one document for each batch and each change of the job's state.

    A document that cannot be written is logged and dropped: progress must never stop the job.
    """

    def __init__(self, spark: SparkSession, config: JobConfig) -> None:
        self._collection = Collection(spark, config, PROGRESS_COLLECTION)
        self._fixed = {"pipeline": config.pipeline, "run": uuid.uuid4().hex, "pid": os.getpid()}
        self._last: dict[str, Any] = {
            "batch": None,
            "input_rows": 0,
            "input_rows_total": 0,
            "late_total": 0,
            "watermark": None,
            "committed": {},
            "durations_ms": {},
            "state_rows": 0,
            "error": None,
        }
        self._carry_over(config.pipeline)

    def _carry_over(self, pipeline: str) -> None:
        """Goes on counting where the pipeline's previous driver stopped."""
        document = newest_progress(self._collection, pipeline)
        if document is not None:
            for field in ("batch", "input_rows_total", "late_total", "watermark", "committed"):
                self._last[field] = document.get(field)

    def report(self, event: str, **changes: Any) -> None:
        """Writes a document of this event with the last known values and these changes."""
        self._last.update(changes)
        document = {**self._fixed, "event": event, "at": _date(datetime.now(UTC)), **self._last}
        try:
            self._collection.insert(document)
        except Exception as error:  # whatever it is: the next report may get through, and the job goes on
            _log.warning("progress not written: %s", type(error).__name__)

    def batch(self, progress: StreamingQueryProgress) -> None:
        """Reports a committed batch."""
        late = sum(int(operator.numRowsDroppedByWatermark) for operator in progress.stateOperators)
        changes: dict[str, Any] = {
            "batch": progress.batchId,
            "input_rows": progress.numInputRows,
            "input_rows_total": self._last["input_rows_total"] + progress.numInputRows,
            "late_total": self._last["late_total"] + late,
            "committed": _offsets(progress),
            "durations_ms": dict(progress.durationMs),
            "state_rows": sum(int(operator.numRowsTotal) for operator in progress.stateOperators),
        }
        if watermark := progress.eventTime.get("watermark"):
            changes["watermark"] = {"$date": watermark}
        self.report("batch", **changes)
        _log.info(
            "batch %s: %s records in %s ms, late %s, state rows %s",
            progress.batchId,
            progress.numInputRows,
            progress.durationMs.get("triggerExecution"),
            late,
            changes["state_rows"],
        )


def newest_progress(collection: Collection, pipeline: str) -> dict[str, Any] | None:
    """Returns what a pipeline's job reported last."""
    return collection.newest({"pipeline": pipeline})


class ProgressListener(StreamingQueryListener):
    """Passes on each committed batch."""

    def __init__(self, *on_batch: Callable[[StreamingQueryProgress], None]) -> None:
        self._on_batch = on_batch

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: D102
        pass

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: D102
        for function in self._on_batch:
            function(event.progress)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: D102
        pass

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: D102
        pass


def _offsets(progress: StreamingQueryProgress) -> dict[str, dict[str, int]]:
    committed: dict[str, dict[str, int]] = {}
    for source in progress.sources:
        if source.endOffset:
            committed |= json.loads(source.endOffset)
    return committed


def _date(moment: datetime) -> dict[str, str]:
    return {"$date": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
