"""Writes the job's progress to MongoDB: all reports, and the newest one."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import QueryIdleEvent, StreamingQueryProgress

from tandem.engine.declare.iso_time import iso_time
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.stream import JOB_COLLECTION, PROGRESS_COLLECTION, STATE_OPERATORS
from tandem.engine.read.kafka_source import CONTROL, EVENTS, NEWEST, OLDEST, REJECTED
from tandem.engine.run.attention import LATE_AT, REFUSED, SLOW_MS, batch_ms
from tandem.engine.run.state_events import StateEvents
from tandem.engine.spark.checkpoint import Offsets, checkpoint_id, last_committed, planned
from tandem.engine.spark.job_log import Notice, values
from tandem.engine.spark.jvm import describe
from tandem.engine.spark.mongo_client import MongoCollection
from tandem.engine.write.batch_steps import BatchSteps

# The job reports at least this often. A reader that sees no report for much longer takes the job for dead.
HEARTBEAT_S = 3.0
# The job logs a warning if MongoDB takes longer than this to answer.
SILENCE_S = 5.0
# A job that finds no records logs that at most this often.
_WAITING_S = 60.0
# The field with the id that Spark gave the checkpoint.
CHECKPOINT = "checkpoint"
# The number of records in batches that no report has counted. Any of them may have been dropped as late.
UNREPORTED = "unreported"
# The fields that the next driver on the same checkpoint continues.
CARRIED = (
    *(CHECKPOINT, "batch", "input_rows_total", "late_total", LATE_AT, UNREPORTED, "watermark", "committed"),
    *("streams", "state_events", STATE_OPERATORS),
)
# The errors of a damaged checkpoint. They are ignored here, because the query fails with a clear message.
_DAMAGED = (OSError, Py4JJavaError, ValueError, LookupError)
_log = logging.getLogger(__name__)


class ProgressReporter:
    """Reports each batch and each change of the job's state.

    While the job is idle, it repeats the report.

    A document's ``event`` is ``started``, ``batch``, ``idle`` (after the first commit), ``stopped`` or ``failed``.
    If MongoDB does not accept a document, the reporter logs that and drops it. Progress must never stop the job.

    Args:
        spark: the session.
        config: MongoDB's address.
        waiting: estimates the events in state; empty. It gets those of the restored state.
        times_read: how many times the query reads each record; Spark counts a record each time.

    Attributes:
        newest_ms: each stream's newest event time in the restored state, in milliseconds since the epoch.
        watermark_ms: the watermark of the last batch, in milliseconds since the epoch; 0 before the first batch.
        has_committed: whether this driver has committed a batch.
    """

    def __init__(self, spark: SparkSession, config: JobConfig, waiting: StateEvents, times_read: int = 1) -> None:
        self._waiting = waiting
        self._reports = MongoCollection(spark, config, PROGRESS_COLLECTION)
        self._newest = MongoCollection(spark, config, JOB_COLLECTION)
        self._times_read = times_read
        self._fixed = {
            "pipeline": config.pipeline,
            "run": uuid.uuid4().hex,
            "pid": os.getpid(),
            "runtime": describe(spark, config),
        }
        # The listener, the heartbeat and the main thread report. Readers use the newest document, so order matters.
        self._order = threading.RLock()
        self._reported_at, self.has_committed = time.monotonic(), False
        self._logged_at = time.monotonic()
        self._ended: str | None = None
        self._last: dict[str, Any] = {
            CHECKPOINT: None,
            "batch": None,
            "begun_at": None,
            "input_rows": 0,
            "input_rows_total": 0,
            "late": 0,
            "late_total": 0,
            "dead_letters": 0,
            LATE_AT: None,
            UNREPORTED: 0,
            "watermark": None,
            "committed": {},
            "durations_ms": {},
            "steps": [],
            "state_events": 0,
            "state_bytes": 0,
            STATE_OPERATORS: None,
            "streams": {},
            REFUSED: [],
            "error": None,
        }
        self.newest_ms: dict[str, int] = {}
        self.watermark_ms = 0
        self._carry_over(spark, config)

    def _carry_over(self, spark: SparkSession, config: JobConfig) -> None:
        """Continues the counts of the previous driver on the same checkpoint.

        A new checkpoint starts at zero.

        The previous driver may have died between a batch's commit and its report. The totals lack that batch, and
        ``UNREPORTED`` counts its records. Its offsets and watermark come from the checkpoint. Without them, the job
        would seem to lag until the next batch, which may never come.
        """
        # Read on a new checkpoint, too: the job must stop here if MongoDB refuses it.
        document = newest_progress(spark, config)
        committed = last_committed(spark, config)
        if committed is None:
            return
        with suppress(*_DAMAGED):
            if document is not None and document.get(CHECKPOINT) == checkpoint_id(spark, config):
                self._last |= {field: document[field] for field in CARRIED if field in document}
        is_unreported = committed > (-1 if self._last["batch"] is None else self._last["batch"])
        if is_unreported:
            with suppress(*_DAMAGED):
                plan = planned(spark, config, committed)
                watermark = datetime.fromtimestamp(plan.watermark_ms / 1000, UTC)
                self._last[UNREPORTED] += _records_between(self._last["committed"], plan.offsets)
                self._last.update(committed=plan.offsets, watermark=_date(watermark))
        newest_ms = {name: stream[NEWEST] for name, stream in self._last["streams"].items()}
        self.newest_ms = {name: newest for name, newest in newest_ms.items() if newest is not None}
        if date := self._last["watermark"]:
            self.watermark_ms = milliseconds_of(date["$date"])
        self._restore_waiting(config, is_unreported=is_unreported)

    def _restore_waiting(self, config: JobConfig, *, is_unreported: bool) -> None:
        # No accepted event is newer.
        latest_ms = round((time.time() + config.max_clock_skew_seconds) * 1000)
        number, newest_ms = self._last["state_events"], max(self.newest_ms.values(), default=latest_ms)
        if number or (self.newest_ms and self._last[STATE_OPERATORS]):
            self._waiting.add(number, 0, newest_ms)
        if is_unreported:
            self._waiting.add(1, latest_ms, latest_ms)
        self._waiting.advance(self.watermark_ms)

    def report(self, event: str, **changes: Any) -> bool:
        """Writes a document with the last known values and these changes.

        Returns whether MongoDB accepted it.
        """
        with self._order:
            self._last.update(changes)
            # Spark may report the last batch after the job has reported its end.
            event = self._ended or event
            self._ended = event if event in ("stopped", "failed") else None
            document = {**self._fixed, "event": event, "at": _date(datetime.now(UTC)), **self._last}
            # MongoDB's client gives up after half a minute, here and in a batch. This warning comes earlier.
            awaited = threading.Timer(SILENCE_S, _log.warning, ["MongoDB does not answer; the job waits for it"])
            awaited.daemon = True
            awaited.start()
            try:
                self._reports.insert(document)
                self._newest.put({"_id": self._fixed["pipeline"], **document})
                written = True
            except Exception as error:  # the next report may get through, and the job continues
                _log.warning("progress not written: %s", type(error).__name__)
                written = False
            finally:
                awaited.cancel()
            self._reported_at = time.monotonic()
            return written

    def refused(self, topics: list[str]) -> None:
        """Sets the topics that refuse control records, for the next report."""
        with self._order:
            self._last[REFUSED] = topics

    def report_if_silent(self) -> None:
        """Reports that the job is alive if the last report is some seconds old."""
        with self._order:
            if time.monotonic() - self._reported_at >= HEARTBEAT_S:
                self.report("idle" if self.has_committed else "started")

    def idle(self, _: QueryIdleEvent) -> None:
        """Logs that the job finds no records, once a minute at most."""
        if time.monotonic() - self._logged_at >= _WAITING_S:
            self._logged_at = time.monotonic()
            _log.info(Notice.WAITING)

    def batch(self, progress: StreamingQueryProgress, steps: BatchSteps) -> None:
        """Reports a committed batch and the steps of its writing."""
        late = sum(int(operator.numRowsDroppedByWatermark) for operator in progress.stateOperators)
        rows = progress.numInputRows // self._times_read
        changes: dict[str, Any] = {
            CHECKPOINT: str(progress.id),
            "batch": progress.batchId,
            "begun_at": {"$date": progress.timestamp},
            "input_rows": rows,
            "input_rows_total": self._last["input_rows_total"] + rows,
            "late": late,
            "late_total": self._last["late_total"] + late,
            "dead_letters": steps.dead_letters,
            "committed": _offsets(progress),
            "durations_ms": dict(progress.durationMs),
            "steps": steps.taken,
            "state_events": self._still_waiting(progress),
            "state_bytes": sum(int(operator.memoryUsedBytes) for operator in progress.stateOperators),
            STATE_OPERATORS: len(progress.stateOperators),
            "streams": self._streams(progress),
        }
        if late:
            changes[LATE_AT] = int(time.time() * 1000)
        if watermark := progress.eventTime.get("watermark"):
            changes["watermark"] = {"$date": watermark}
        self.has_committed = True
        self.report("batch", **changes)
        self._logged_at = time.monotonic()
        _log.info(
            Notice.COMMITTED,
            extra=values(
                batch=progress.batchId,
                records=rows,
                late=late,
                state_events=changes["state_events"],
                ms=dict(progress.durationMs),
                offsets=changes["committed"],
            ),
        )
        # Lines of their own, because an alert can look for a line better than for a value in one.
        if late:
            _log.warning(Notice.LATE, extra=values(batch=progress.batchId, late=late))
        if (ms := batch_ms(changes)) >= SLOW_MS:
            _log.warning(Notice.SLOW, extra=values(batch=progress.batchId, records=rows, ms=ms))

    def _still_waiting(self, progress: StreamingQueryProgress) -> int:
        """Returns about how many events are in state after a batch."""
        for row in progress.observedMetrics.values():
            if row[EVENTS]:
                self._waiting.add(row[EVENTS], row[OLDEST], row[NEWEST])
        if watermark := progress.eventTime.get("watermark"):
            self._waiting.advance(milliseconds_of(watermark))
        if not progress.stateOperators:
            self._waiting.clear()
        return self._waiting.number

    def _streams(self, progress: StreamingQueryProgress) -> dict[str, dict[str, Any]]:
        """Returns each stream's counts so far, and its newest event time.

        The counts are those of events, control records and rejected records.
        """
        streams: dict[str, dict[str, Any]] = dict(self._last["streams"])
        for name, row in progress.observedMetrics.items():
            before = streams.get(name, {})
            counts = {each: before.get(each, 0) + row[each] for each in (EVENTS, CONTROL, REJECTED)}
            newest = [time for time in (before.get(NEWEST), row[NEWEST]) if time is not None]
            streams[name] = {**counts, NEWEST: max(newest, default=None)}
        return streams


def newest_progress(spark: SparkSession, config: JobConfig) -> dict[str, Any] | None:
    """Returns the newest progress document of a pipeline; None if there is none."""
    found = MongoCollection(spark, config, JOB_COLLECTION).with_ids([config.pipeline])
    return found[0] if found else None


def _records_between(before: Offsets, after: Offsets) -> int:
    return sum(
        max(0, end - before.get(topic, {}).get(partition, 0))
        for topic, ends in after.items()
        for partition, end in ends.items()
    )


def _offsets(progress: StreamingQueryProgress) -> Offsets:
    committed: Offsets = {}
    for source in progress.sources:
        if source.endOffset:
            committed |= json.loads(source.endOffset)
    return committed


def milliseconds_of(time: str) -> int:
    """Returns an ISO 8601 time in milliseconds since the epoch."""
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def _date(moment: datetime) -> dict[str, str]:
    return {"$date": iso_time(moment)}
