"""Reads topics up to their current ends, and rejects compacted ones."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.kafka_python import new_client, reader
from tandem.settings.connections import kafka_client
from tandem.settings.model import KafkaSettings

# Offset by partition.
Offsets = dict[int, int]
# The same by topic.
Ends = Mapping[str, Offsets]
_POLL_MS = 1000
# Kafka's type of a record's timestamp.
_LOG_APPEND_TIME = 1
_STALL_SECONDS = 60.0
_POLICY = "cleanup.policy"
_PATIENCE_MS = 3000


class TopicRecord(NamedTuple):
    """One record of a topic; the timestamp is in milliseconds since 1970.

    ``by_broker`` is True if the broker set the timestamp when the record arrived, False if a producer set it.
    """

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    by_broker: bool = True


class TopicReader:
    """Reads one topic without a consumer group.

    So it leaves no trace and is never rebalanced.

    Args:
        kafka: Kafka's settings.
        topic: the topic's name.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer, or has no such topic.
    """

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self.topic, self._kafka = topic, kafka
        with _answering(self._kafka):
            self._consumer: Any = reader(
                **kafka_client(kafka),
                group_id=None,
                auto_offset_reset="none",  # records removed while reading are an error, never skipped
                check_crcs=False,  # in Python it costs more than everything else; TCP and the broker check, too
                metrics_enabled=False,
                fetch_max_bytes=64 * 1024 * 1024,
                max_partition_fetch_bytes=16 * 1024 * 1024,
                max_poll_records=20_000,
            )
        try:
            with _answering(self._kafka):
                partitions = self._consumer.partitions_for_topic(topic)
        except EnvironmentNotReadyError:
            self._consumer.close()
            raise
        if not partitions:
            self._consumer.close()
            raise EnvironmentNotReadyError(
                f"Kafka at {kafka.bootstrap} has no topic {topic}", hint="`tandem up` creates the pipeline's topics"
            )
        self._partitions = {number: TopicPartition(topic, number) for number in sorted(partitions)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def beginnings(self) -> Offsets:
        """Returns the offset of each partition's first available record.

        Raises:
            EnvironmentNotReadyError: Kafka does not answer.
        """
        with _answering(self._kafka):
            return self._numbered(self._consumer.beginning_offsets(list(self._partitions.values())))

    def ends(self) -> Offsets:
        """Returns the offset after each partition's last committed record.

        Raises:
            EnvironmentNotReadyError: Kafka does not answer.
        """
        with _answering(self._kafka):
            return self._numbered(self._consumer.end_offsets(list(self._partitions.values())))

    def at(self, ms: int) -> dict[int, tuple[int, int]]:
        """Returns each partition's first record that is not older than a time.

        They are an offset and a time by partition. A partition without such a record is missing.

        Args:
            ms: the time, in milliseconds since 1970; an earlier one counts as 1970.

        Raises:
            EnvironmentNotReadyError: Kafka does not answer.
        """
        with _answering(self._kafka):
            found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions.values(), max(0, ms)))
        return {tp.partition: (each.offset, each.timestamp) for tp, each in found.items() if each is not None}

    def read(self, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[TopicRecord]:
        """Yields each partition's records from ``start`` to before ``end``, in order.

        A partition without a start is not read.

        Raises:
            TandemError: Kafka returned nothing for a minute, or removed records while they were read; or the topic has
                no such partition.
        """
        if missing := ", ".join(str(number) for number in sorted(start.keys() - self._partitions.keys())):
            raise TandemError(
                f"the topic {self.topic} has no partition {missing}", hint="the topic may have been created again"
            )
        left = {self._partitions[number]: end[number] for number, first in start.items() if first < end[number]}
        self._consumer.assign(list(left))
        # A partition that an earlier call read to its end is still paused.
        self._consumer.resume(*left)
        for tp in left:
            self._consumer.seek(tp, start[tp.partition])
        stalled = time.monotonic() + _STALL_SECONDS
        while left:
            with self._reading():
                polled = self._consumer.poll(timeout_ms=_POLL_MS)
            for tp, records in polled.items():
                stalled = time.monotonic() + _STALL_SECONDS
                limit = end[tp.partition]
                for r in records:
                    if r.offset < limit:
                        by_broker = r.timestamp_type == _LOG_APPEND_TIME
                        yield TopicRecord(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers, by_broker)
            # The position also moves over transaction markers and compacted records, which poll() does not return.
            with self._reading():
                done = [tp for tp, limit in left.items() if self._consumer.position(tp) >= limit]
            for tp in done:
                del left[tp]
                self._consumer.pause(tp)
            if left and time.monotonic() > stalled:
                raise TandemError(
                    f"reading {self.topic} stalled: {len(left)} partitions returned nothing for {_STALL_SECONDS:.0f} s",
                    hint="see Kafka's log: `tandem logs kafka`",
                )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            raise TandemError(
                f"reading {self.topic} failed: {type(error).__name__}",
                hint="try again; the topic may have been deleted or truncated meanwhile",
            ) from None

    def _numbered(self, offsets: Mapping[Any, int]) -> Offsets:
        return {tp.partition: offset for tp, offset in offsets.items()}


def check_uncompacted(kafka: KafkaSettings, topics: Sequence[str]) -> None:
    """Raises if Kafka compacts a topic.

    Without the right to read topic configurations, nothing is checked.

    Args:
        kafka: Kafka's settings.
        topics: the names of topics.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer.
        TandemError: it compacts one.
    """
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic, [_POLICY]) for topic in topics]
    client = kafka_client(kafka)
    with _answering(kafka), new_client(KafkaAdminClient, **client, bootstrap_timeout_ms=_PATIENCE_MS) as admin:
        configs = admin.describe_configs(wanted, config_filter="all").get("topic", {})
    compacted = [topic for topic in topics if "compact" in (configs.get(topic, {}).get(_POLICY, {}).get("value") or "")]
    if compacted:
        raise TandemError(
            f"Kafka compacts {', '.join(compacted)}: `tandem verify` cannot account for records that Kafka has removed",
            hint=f"set {_POLICY}=delete on the topic; records removed before stay missing",
        )


@contextmanager
def _answering(kafka: KafkaSettings) -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise EnvironmentNotReadyError(
            f"Kafka at {kafka.bootstrap} does not answer: {type(error).__name__}",
            hint="check with `tandem status` that it is running",
        ) from None
