"""Watches Kafka: the end of each topic and the reasons of dead letters."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from tandem.dashboard.background import Watcher
from tandem.dashboard.declaration import ShownPipeline
from tandem.dashboard.state import PipelineState
from tandem.kafka_python import reader
from tandem.settings.connections import kafka_client
from tandem.settings.model import KafkaSettings

POLL_MS = 1000
REQUEST_MS = 4000
# The interval at which new partitions are noticed.
_METADATA_MS = 30_000
_RATE_S = 5.0


class TopicWatch(Watcher):
    """Keeps the ends of all topics and counts dead letters.

    It commits nothing and belongs to no group.

    Args:
        kafka: Kafka's settings.
        declaration: the pipeline's topics.
        state: the state to write to.
    """

    def __init__(self, kafka: KafkaSettings, declaration: ShownPipeline, state: PipelineState) -> None:
        super().__init__("topic-watch", (KafkaError,))
        self._kafka, self._state = kafka, state
        self._dead = declaration.dead_letter_topic
        self._inputs = [stream.topic for stream in declaration.streams]
        self._history: deque[tuple[float, dict[str, int]]] = deque()

    def watch(self) -> None:
        """See ``Watcher.watch``."""
        consumer = reader(
            **kafka_client(self._kafka),
            group_id=None,
            auto_offset_reset="earliest",
            metrics_enabled=False,
            bootstrap_timeout_ms=2000,
            request_timeout_ms=REQUEST_MS,
            metadata_max_age_ms=_METADATA_MS,
            reconnect_backoff_max_ms=1000,
            fetch_max_wait_ms=POLL_MS,
            max_poll_records=5000,
        )
        try:
            self._follow(consumer)
        finally:
            consumer.close()

    def lost(self, error: Exception) -> None:
        """See ``Watcher.lost``."""
        with self._state.lock:
            self._state.kafka.now(False, type(error).__name__)
            self._state.rates.clear()
            self._state.touch()
        self._history.clear()

    def _follow(self, consumer: Any) -> None:
        letters = _partitions(consumer, self._dead)
        parts = _partitions(consumer, *self._inputs)
        if not parts:
            raise KafkaError("there are no topics of the pipeline")
        # Only assigned partitions have known ends; paused ones are not fetched.
        consumer.assign([*parts, *letters])
        consumer.pause(*parts)
        if letters:
            # From the beginning each time: earlier counts may come from another Kafka.
            consumer.seek_to_beginning(*letters)
        with self._state.lock:
            self._state.dead.clear()
        while not self.stopping.is_set():
            self._ends(consumer.end_offsets([*parts, *letters]))
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                self._count(records)
            if (letters, parts) != (_partitions(consumer, self._dead), _partitions(consumer, *self._inputs)):
                return  # a topic or a partition is new: watch again, with it

    def _ends(self, offsets: dict[Any, int]) -> None:
        ends: dict[str, dict[int, int]] = {}
        for part, offset in offsets.items():
            ends.setdefault(part.topic, {})[part.partition] = int(offset)
        now, totals = time.monotonic(), {topic: sum(partitions.values()) for topic, partitions in ends.items()}
        self._history.append((now, totals))
        while len(self._history) > 2 and now - self._history[0][0] > _RATE_S:
            self._history.popleft()
        then, before = self._history[0]
        with self._state.lock:
            if self._state.kafka.now(True) or ends != self._state.ends:
                self._state.touch()
            self._state.ends = ends
            if now > then:
                self._state.rates = {t: max(0, n - before.get(t, n)) / (now - then) for t, n in totals.items()}

    def _count(self, records: list[Any]) -> None:
        with self._state.lock:
            for record in records:
                headers = {name: value or b"" for name, value in record.headers or ()}
                topic, error = (headers.get(name, b"").decode(errors="replace") for name in ("source_topic", "error"))
                if topic in self._inputs:
                    self._state.dead[topic, error[:40]] += 1
            self._state.changes += 1
            self._state.touch()


def _partitions(consumer: Any, *topics: str) -> list[TopicPartition]:
    """Returns the topics' partitions from the client's metadata."""
    return [TopicPartition(topic, n) for topic in topics for n in sorted(consumer.partitions_for_topic(topic) or ())]
