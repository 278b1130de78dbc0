"""Sends control records for quiet topics, which hold back the watermark.

Spark's watermark is the minimum of the streams' watermarks. A topic without new events would freeze it, and Spark
would never emit unmatched rows. A control record stands behind all records of its partition. The job reads those
records first, so a control record cannot make them late.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import QueryIdleEvent, StreamingQueryProgress

from tandem.engine.declare.control_record import control_value
from tandem.engine.declare.iso_time import iso_time
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.read.kafka_source import EVENTS, NEWEST
from tandem.engine.run.attention import refused
from tandem.engine.run.control_record_writer import Answer, control_record_writer
from tandem.engine.run.job_progress import milliseconds_of
from tandem.engine.run.state_events import StateEvents
from tandem.engine.spark.job_log import values

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """The times of one stream, in seconds since the epoch.

    Attributes:
        seen_at: when the job committed its latest event; at first, when the job started.
        newest: its newest event time; None before the first event.
        sent: the event time of its newest control record; None before the first one.
        tried_at: when Kafka last accepted or refused a control record.
        counted: whether Spark's watermark counts ``newest``. After a restart, Spark knows the watermark of all streams
            together, and has forgotten that of each stream.
    """

    seen_at: float
    newest: float | None = None
    sent: float | None = None
    tried_at: float = 0.0
    counted: bool = True


def due(
    clocks: Mapping[str, Clock],
    now: float,
    idle_timeout_seconds: float,
    outage_tolerance_seconds: float,
    resumed_at: float = 0.0,
    *,
    behind: bool = False,
) -> dict[str, float]:
    """Returns the event time of the next control record by quiet stream.

    It is in seconds since the epoch.

    While some streams are active, a quiet one gets the newest event time of the slowest active stream. So a replayed
    history keeps its own time. While all are quiet, upstream may be cut off and deliver a backlog later. Each stream
    then gets the time ``outage_tolerance_seconds`` before now.

    After a restart, the watermark may stay behind the streams' newest event times, because Spark has forgotten some of
    them. A stream whose newest event time is not counted then gets it again.

    A stream gets at most one control record within ``idle_timeout_seconds``, and only if that advances its time.

    Args:
        clocks: the times of each stream.
        now: when the query last looked for records, in seconds since the epoch. A long batch makes no topic quiet.
        idle_timeout_seconds: a stream is quiet after this time without events.
        outage_tolerance_seconds: the age of the oldest events that a backlog may still deliver.
        resumed_at: when the first events arrived after all streams had been quiet, or after the start. The backlogs of
            the other streams may follow, so a stream that is still quiet gets no control record for another timeout.
        behind: whether the watermark is behind the streams' newest event times.
    """
    # A stream is active if it had events shortly before the latest event, even if that was long ago.
    latest = min(now, max(clock.seen_at for clock in clocks.values()))
    quiet = {name for name, clock in clocks.items() if latest - clock.seen_at >= idle_timeout_seconds}
    active = [clock.newest for name, clock in clocks.items() if name not in quiet]
    known = [newest for newest in active if newest is not None]
    slowest = min(known) if len(known) == len(active) and now - resumed_at >= idle_timeout_seconds else -math.inf
    closed = now - outage_tolerance_seconds if now - latest >= idle_timeout_seconds else -math.inf
    times: dict[str, float] = {}
    for name, clock in clocks.items():
        target = min(now, max(slowest, closed) if name in quiet else closed)
        reached = max(clock.newest or 0.0, clock.sent or 0.0)
        if behind and not clock.counted and now - clock.seen_at >= idle_timeout_seconds:
            target, reached = max(target, clock.newest or 0.0), clock.sent or 0.0
        if target > reached and now - clock.tried_at >= idle_timeout_seconds:
            times[name] = target
    return times


class ControlRecordSender:
    """Watches the batches and sends control records.

    Args:
        spark: the session.
        pipeline: the pipeline.
        config: Kafka's address, and how long a topic may be quiet.
        waiting: the events in state. They are up to date whenever the sender gets a batch.
        newest_ms: each stream's newest event time so far, in milliseconds since the epoch.
        watermark_ms: the watermark of the last batch, in milliseconds since the epoch.
        on_refused: called with the topics that refuse control records, whenever these topics change.

    Attributes:
        clocks: the times of each stream.
    """

    def __init__(
        self,
        spark: SparkSession,
        pipeline: Pipeline,
        config: JobConfig,
        *,
        waiting: StateEvents,
        newest_ms: Mapping[str, int],
        watermark_ms: int,
        on_refused: Callable[[list[str]], None],
    ) -> None:
        self._jvm: Any = spark._jvm
        self._topics = {stream.name: stream.topic for stream in pipeline.streams}
        self._config = config
        # Guards the fields below: Spark's listener and the thread of ``send_due`` change them.
        self._lock = threading.Lock()
        # When the query last looked for records. While a batch runs, newer records are unknown.
        self._looked_at = time.time()
        # Zero until the first events: before the start, all streams may have been quiet.
        self._resumed_at = 0.0
        self.clocks = {
            name: Clock(self._looked_at, newest_ms[name] / 1000 if name in newest_ms else None, counted=False)
            for name in self._topics
        }
        self._watermark_ms = watermark_ms
        # The clocks belong to this. Between two batches, the events in state may be ahead of them.
        self._waiting, self._may_wait = waiting, waiting.may_wait
        self._refused: set[str] = set()
        self._on_refused = on_refused
        # When the next attempt may begin, by ``time.monotonic``.
        self._next_attempt = 0.0

    def batch(self, progress: StreamingQueryProgress) -> None:
        """Updates the clocks after a committed batch."""
        rows = {name: row for name, row in progress.observedMetrics.items() if row[EVENTS]}
        with self._lock:
            self._may_wait = self._waiting.may_wait
            now = self._look(progress.timestamp)
            if watermark := progress.eventTime.get("watermark"):
                self._watermark_ms = milliseconds_of(watermark)
            latest = max(clock.seen_at for clock in self.clocks.values())
            if rows and (not self._resumed_at or self._looked_at - latest >= self._config.idle_timeout_seconds):
                self._resumed_at = now
            for name in self.clocks.keys() & rows.keys():
                clock = self.clocks[name]
                known, newest = clock.newest or 0.0, rows[name][NEWEST] / 1000
                counted = clock.counted or newest >= known
                self.clocks[name] = replace(clock, seen_at=now, newest=max(known, newest), counted=counted)

    def idle(self, event: QueryIdleEvent) -> None:
        """Records that the query found no new records."""
        with self._lock:
            self._look(event.timestamp)

    def _look(self, timestamp: str) -> float:
        """Records when the query looked for records; returns the time now.

        If the machine's clock was set back, earlier times lie in the future. They become now, or no topic would count
        as quiet until then.
        """
        now = time.time()
        self._looked_at = min(now, datetime.fromisoformat(timestamp).timestamp())
        self._resumed_at = min(now, self._resumed_at)
        self.clocks = {
            name: replace(clock, seen_at=min(now, clock.seen_at), tried_at=min(now, clock.tried_at))
            for name, clock in self.clocks.items()
        }
        return now

    def send_due(self) -> None:
        """Sends the control records that are due.

        After an error, it sends nothing until the idle timeout has passed.
        """
        if time.monotonic() < self._next_attempt:
            return
        try:
            if times := self.due():
                self.send(times)
        except Exception as error:  # Kafka does not answer or the JVM ends; a later call tries again
            _log.warning("control records not sent: %s", type(error).__name__)
            self._next_attempt = time.monotonic() + self._config.idle_timeout_seconds

    def due(self) -> dict[str, float]:
        """Returns the event time of the next control record by quiet stream.

        See the function ``due``.
        """
        idle, tolerance = self._config.idle_timeout_seconds, self._config.outage_tolerance_seconds
        with self._lock:
            if not self._may_wait:
                return {}
            behind = self._is_behind()
            return due(self.clocks, self._looked_at, idle, tolerance, self._resumed_at, behind=behind)

    def _is_behind(self) -> bool:
        newest = [clock.newest for clock in self.clocks.values() if clock.newest is not None]
        if len(newest) < len(self.clocks):
            return False
        return self._watermark_ms < round(min(newest) * 1000) - self._config.lateness_seconds * 1000

    def send(self, times: Mapping[str, float]) -> None:
        """Sends a control record to each partition of the topics of these streams."""
        with control_record_writer(self._jvm, self._config) as writer:
            for name, moment in times.items():
                topic, at = self._topics[name], datetime.fromtimestamp(moment, UTC)
                answer = writer.append(topic, control_value(self._config.sender, at))
                with self._lock:
                    clock = self.clocks[name]
                    sent = moment if answer is Answer.SENT else clock.sent
                    # If rows still wait after another timeout, the next record follows.
                    self.clocks[name] = replace(clock, sent=sent, tried_at=time.time())
                told = values(topic=topic, watermark=iso_time(at))
                if answer is Answer.WAITS:
                    _log.info("an open transaction holds back the control records of a topic", extra=told)
                    continue
                if answer is Answer.SENT:
                    _log.info("control records sent to a quiet topic", extra=told)
                self._note(topic, is_refused=answer is Answer.REFUSED)

    def _note(self, topic: str, *, is_refused: bool) -> None:
        if is_refused == (topic in self._refused):
            return
        self._refused ^= {topic}
        if is_refused:
            _log.warning(refused([topic]))
        self._on_refused(sorted(self._refused))
