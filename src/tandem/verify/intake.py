"""Reads a stream's records.

It keeps the data for the comparison and the expected watermark.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tandem.catalog import declared_by
from tandem.engine.declare.stream import DeadLetterError, Stream
from tandem.producer.document_id import text_of
from tandem.settings.model import Settings
from tandem.verify.events import Events
from tandem.verify.reference import Control, Dead, Ignored, Validator
from tandem.verify.topics import TopicReader, TopicRecord
from tandem.verify.watermark import Arrival, sweep

# Records of each partition. They are in order of time except for minutes, so the newest are among the last.
_LAST = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Letter(NamedTuple):
    """An expected dead letter: its value, and its headers except ``detail``."""

    value: bytes | None
    headers: dict[str, str]

    @property
    def arrived_ms(self) -> int:
        """When its record arrived, in milliseconds since 1970."""
        return int(self.headers["source_timestamp"])


class Intake(Events):
    """The records read of one stream.

    Args:
        stream: the stream's declaration.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
        sender: the job whose control records move the watermark; None for no job.

    Attributes:
        consumed: the number of records.
        control: the number of control records.
        ignored: the number of ignored tombstones.
        dead: the dead letter of each rejected record, by its key.
        unknown_then: the same of each event that the job rejected before its schema was known.
        arrivals: every control record of the sender, and every accepted event except those in ``unknown_then``.
    """

    def __init__(self, stream: Stream, *, max_clock_skew_seconds: int, sender: str | None) -> None:
        super().__init__(stream)
        self.consumed = self.control = self.ignored = 0
        self.dead: dict[bytes, Letter] = {}
        self.unknown_then: dict[bytes, Letter] = {}
        self.arrivals: list[Arrival] = []
        self._rejected: set[str] = set()
        self._identity, self._time = stream.identity_column, stream.time_column
        self._validate = Validator(stream, max_clock_skew_seconds=max_clock_skew_seconds, sender=sender)

    @property
    def unprocessed(self) -> Set[str]:
        """The events whose records were all rejected before their schema was known."""
        return self._rejected and self._rejected - {arrival.identity for arrival in self.arrivals}

    def take(self, records: Iterable[TopicRecord], unknown_then: Set[bytes] = frozenset()) -> None:
        """Adds records that were not added before.

        Args:
            records: the records.
            unknown_then: the result of ``unknown_schema_keys``. Streams without schemas ignore it.
        """
        rejected = unknown_then if self.stream.format is not None else frozenset()
        for record in records:
            self.consumed += 1
            arrived = record.timestamp if record.by_broker else None
            outcome = self._validate(record.key, record.value, record.timestamp)
            if isinstance(outcome, Dead):
                key = self._key(record)
                error = DeadLetterError.UNKNOWN_SCHEMA if key in rejected else outcome.error
                self.dead[key] = self._letter(record, error)
            elif isinstance(outcome, Control):
                self.control += 1
                if outcome.time is not None:
                    self.arrivals.append(Arrival(arrived, self.stream.name, outcome.time, None))
            elif isinstance(outcome, Ignored):
                self.ignored += 1
            else:
                identity = text_of(outcome.fields[self._identity])
                self.add(identity, outcome.fields)
                if rejected and (key := self._key(record)) in rejected:
                    self._rejected.add(identity)
                    self.unknown_then[key] = self._letter(record, DeadLetterError.UNKNOWN_SCHEMA)
                else:
                    time = int(outcome.fields[self._time])
                    self.arrivals.append(Arrival(arrived, self.stream.name, time, identity))

    def _key(self, record: TopicRecord) -> bytes:
        """Returns the key of a record's dead letter."""
        return f"{self.stream.topic}-{record.partition}-{record.offset}".encode()

    def _letter(self, record: TopicRecord, error: str) -> Letter:
        headers = {
            "source_topic": self.stream.topic,
            "source_partition": str(record.partition),
            "source_offset": str(record.offset),
            "source_timestamp": str(record.timestamp),
            "error": str(error),
        }
        return Letter(record.value, headers)


def unknown_schema_keys(letters: Iterable[TopicRecord]) -> Set[bytes]:
    """Returns the keys of the dead letters whose records had an unknown schema."""
    unknown = DeadLetterError.UNKNOWN_SCHEMA.encode()
    # The record's own headers come first, so that the contract's win.
    return {letter.key for letter in letters if letter.key and dict(letter.headers).get("error") == unknown}


def expected_watermark(settings: Settings) -> datetime | None:
    """Returns the watermark after the topics' last records.

    None while a stream has no event.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer or a topic is missing.
    """
    streams = declared_by(settings.location).streams
    skew = settings.job.max_clock_skew_seconds
    intakes = [Intake(stream, max_clock_skew_seconds=skew, sender=settings.sender) for stream in streams]
    for intake in intakes:
        with TopicReader(settings.kafka, intake.stream.topic) as reader:
            ends, beginnings = reader.ends(), reader.beginnings()
            starts = {number: max(beginnings[number], end - _LAST) for number, end in ends.items()}
            intake.take(reader.read(starts, ends))
    arrivals = (arrival for intake in intakes for arrival in intake.arrivals)
    reached = sweep(arrivals, [stream.name for stream in streams], lateness_seconds=settings.job.lateness_seconds)
    return _EPOCH + timedelta(milliseconds=reached.ms) if reached.ms else None
