"""Reports what the job does to a capped MongoDB collection: the same on a laptop and in the cloud."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
    StreamingQueryProgress,
)

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.stream import PROGRESS_COLLECTION
from tandem.engine.read.kafka_source import CONTROL, EVENTS, NEWEST
from tandem.engine.run.attention import LATE_AT, REFUSED
from tandem.engine.spark.checkpoint import checkpoint_id, last_committed, planned
from tandem.engine.spark.job_log import values
from tandem.engine.spark.jvm import describe
from tandem.engine.spark.mongo_client import MongoCollection

# After so long without a report the job says that it lives; who hears nothing for much longer knows that it does not.
HEARTBEAT_S = 3.0
# So long MongoDB may take to answer before it is said that it does not.
SILENCE_S = 5.0
# Which checkpoint a report is about: the id that Spark gave it.
CHECKPOINT = "checkpoint"
# What another driver on the same checkpoint continues.
CARRIED = (
    *(CHECKPOINT, "batch", "input_rows_total", "late_total", LATE_AT, "unreported", "watermark", "committed"),
    *("streams", "state_rows"),
)
# A damaged checkpoint ends the query, which then says so.
_DAMAGED = (OSError, Py4JJavaError, ValueError, LookupError)
_log = logging.getLogger(__name__)


class ProgressReporter:
    """Writes one document for each batch and each change of the job's state, and some while nothing happens.

    A document's ``event`` is ``started``, ``batch``, ``idle`` (it has committed and lives), ``stopped`` or ``failed``.
    A document that cannot be written is logged and dropped: progress must never stop the job.

    Args:
        spark: the session.
        config: where MongoDB is.
        times_read: how many times the query reads each record; Spark counts it as often.

    Attributes:
        may_wait: whether the state that the job goes on with may hold rows.
        newest_ms: the newest event time that this state has seen of each stream, in milliseconds since the epoch.
        has_committed: whether this driver has committed a batch.
    """

    def __init__(self, spark: SparkSession, config: JobConfig, times_read: int = 1) -> None:
        self._collection = MongoCollection(spark, config, PROGRESS_COLLECTION)
        self._times_read = times_read
        self._fixed = {
            "pipeline": config.pipeline,
            "run": uuid.uuid4().hex,
            "pid": os.getpid(),
            "runtime": describe(spark, config),
        }
        # The listener, the heartbeat and the main thread report; a reader takes the newest document for the truth.
        self._order = threading.RLock()
        self._reported_at, self.has_committed = time.monotonic(), False
        self._ended: str | None = None
        self._last: dict[str, Any] = {
            CHECKPOINT: None,
            "batch": None,
            "input_rows": 0,
            "input_rows_total": 0,
            "late_total": 0,
            LATE_AT: None,
            "unreported": 0,
            "watermark": None,
            "committed": {},
            "durations_ms": {},
            "state_rows": 0,
            "state_bytes": 0,
            "streams": {},
            REFUSED: [],
            "error": None,
        }
        self.may_wait = False
        self.newest_ms: dict[str, int] = {}
        self._carry_over(spark, config)

    def _carry_over(self, spark: SparkSession, config: JobConfig) -> None:
        """Continues the counts of the previous driver on the same checkpoint; a new checkpoint starts at zero.

        The previous driver may have been ended between a batch's commit and its report. Then the totals lack what that
        batch would have added, and ``unreported`` counts such batches. What was committed, and the watermark, are
        looked up: should nothing new come, no batch will tell of them, and the job would seem to be behind for ever.
        """
        # On a new checkpoint, too: a job that MongoDB refuses must stop here.
        document = newest_progress(self._collection, config.pipeline)
        committed = last_committed(spark, config)
        if committed is None:
            return
        with suppress(*_DAMAGED):
            if document is not None and document.get(CHECKPOINT) == checkpoint_id(spark, config):
                self._last |= {field: document[field] for field in CARRIED}
        unreported = max(0, committed - (-1 if self._last["batch"] is None else self._last["batch"]))
        self._last["unreported"] += unreported
        if unreported:
            with suppress(*_DAMAGED):
                plan = planned(spark, config, committed)
                watermark = datetime.fromtimestamp(plan.watermark_ms / 1000, UTC)
                self._last.update(committed=plan.offsets, watermark=_date(watermark))
        self.may_wait = bool(unreported or self._last["state_rows"])
        newest_ms = {name: stream[NEWEST] for name, stream in self._last["streams"].items()}
        self.newest_ms = {name: newest for name, newest in newest_ms.items() if newest is not None}

    def report(self, event: str, **changes: Any) -> bool:
        """Returns whether MongoDB took a document of this event, with the last known values and these changes."""
        with self._order:
            self._last.update(changes)
            # Spark tells of the last batch when it likes, also after the job has said that it ends.
            event = self._ended or event
            self._ended = event if event in ("stopped", "failed") else None
            document = {**self._fixed, "event": event, "at": _date(datetime.now(UTC)), **self._last}
            # Its client waits half a minute before it gives up, and so does a batch: nobody should wonder meanwhile.
            awaited = threading.Timer(SILENCE_S, _log.warning, ["MongoDB does not answer; the job waits for it"])
            awaited.daemon = True
            awaited.start()
            try:
                self._collection.insert(document)
                written = True
            except Exception as error:  # whatever it is: the next report may get through, and the job goes on
                _log.warning("progress not written: %s", type(error).__name__)
                written = False
            finally:
                awaited.cancel()
            self._reported_at = time.monotonic()
            return written

    def refused(self, topics: list[str]) -> None:
        """Takes note of the topics that refuse control records; the next report tells."""
        with self._order:
            self._last[REFUSED] = topics

    def report_if_silent(self) -> None:
        """Says that the job lives, when it has said nothing for a while."""
        with self._order:
            if time.monotonic() - self._reported_at >= HEARTBEAT_S:
                self.report("idle" if self.has_committed else "started")

    def batch(self, progress: StreamingQueryProgress) -> None:
        """Reports a committed batch."""
        late = sum(int(operator.numRowsDroppedByWatermark) for operator in progress.stateOperators)
        rows = progress.numInputRows // self._times_read
        changes: dict[str, Any] = {
            CHECKPOINT: str(progress.id),
            "batch": progress.batchId,
            "input_rows": rows,
            "input_rows_total": self._last["input_rows_total"] + rows,
            "late_total": self._last["late_total"] + late,
            "committed": _offsets(progress),
            "durations_ms": dict(progress.durationMs),
            "state_rows": sum(int(operator.numRowsTotal) for operator in progress.stateOperators),
            "state_bytes": sum(int(operator.memoryUsedBytes) for operator in progress.stateOperators),
            "streams": self._streams(progress),
        }
        if late:
            changes[LATE_AT] = int(time.time() * 1000)
        if watermark := progress.eventTime.get("watermark"):
            changes["watermark"] = {"$date": watermark}
        self.has_committed = True
        self.report("batch", **changes)
        _log.info(
            "batch committed",
            extra=values(
                batch=progress.batchId,
                records=rows,
                late=late,
                state_rows=changes["state_rows"],
                ms=dict(progress.durationMs),
                offsets=changes["committed"],
            ),
        )

    def _streams(self, progress: StreamingQueryProgress) -> dict[str, dict[str, Any]]:
        """Returns each stream's events and control records so far, and the newest event time of any batch."""
        streams: dict[str, dict[str, Any]] = dict(self._last["streams"])
        for name, row in progress.observedMetrics.items():
            before = streams.get(name, {EVENTS: 0, CONTROL: 0, NEWEST: None})
            newest = [time for time in (before[NEWEST], row[NEWEST]) if time is not None]
            streams[name] = {
                EVENTS: before[EVENTS] + row[EVENTS],
                CONTROL: before[CONTROL] + row[CONTROL],
                NEWEST: max(newest, default=None),
            }
        return streams


class Heartbeat:
    """Lets the job say that it lives, also in a long batch, from a thread of its own.

    Args:
        reporter: what says it.
    """

    def __init__(self, reporter: ProgressReporter) -> None:
        self._reporter = reporter
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; waits for what is being said, but no longer than ten seconds."""
        self._ended.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._ended.wait(1):
            self._reporter.report_if_silent()


def newest_progress(collection: MongoCollection, pipeline: str) -> dict[str, Any] | None:
    """Returns what a pipeline's job reported last."""
    return collection.newest({"pipeline": pipeline})


class ProgressListener(StreamingQueryListener):
    """Passes on what the next query that starts tells, and no other.

    Args:
        on_batch: called with each committed batch.
        on_idle: called when the query has found nothing new.
    """

    def __init__(
        self, *on_batch: Callable[[StreamingQueryProgress], None], on_idle: Callable[[QueryIdleEvent], None]
    ) -> None:
        self._on_batch, self._on_idle = on_batch, on_idle
        self._run: uuid.UUID | None = None

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: D102
        self._run = self._run or event.runId

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: D102
        for function in self._on_batch if event.progress.runId == self._run else ():
            function(event.progress)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: D102
        if event.runId == self._run:
            self._on_idle(event)

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
