"""Reads a stream's records.

It keeps the data for the comparison and the expected watermark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tandem.catalog import declared_by
from tandem.engine.declare.stream import Stream
from tandem.producer.document_id import text_of
from tandem.settings.model import Settings
from tandem.verify.reference import Control, Dead, Fields, Ignored, Validator
from tandem.verify.topics import TopicReader, TopicRecord
from tandem.verify.watermark import Arrival, sweep

# Records of each partition. They are in order of time except for minutes, so the newest are among the last.
_LAST = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Letter(NamedTuple):
    """An expected dead letter: its value, and its headers except ``detail``."""

    value: bytes | None
    headers: dict[str, str]


class Intake:
    """The records read of one stream.

    Args:
        stream: the stream's declaration.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.

    Attributes:
        consumed: the number of records.
        control: the number of control records.
        ignored: the number of ignored tombstones.
        repeated: the number of further records of an event.
        accepted: the fields of each event's first record, by identity.
        versions: where events are not immutable: the differing fields of further records, by identity.
        dead: the dead letter of each rejected record, by its key.
        arrivals: every accepted event and control record.
    """

    def __init__(self, stream: Stream, *, max_clock_skew_seconds: int) -> None:
        self.stream = stream
        self.consumed = self.control = self.ignored = self.repeated = 0
        self.accepted: dict[str, Fields] = {}
        self.versions: dict[str, list[Fields]] = {}
        self.dead: dict[bytes, Letter] = {}
        self.arrivals: list[Arrival] = []
        self._identity, self._time = stream.identity_column, stream.time_column
        self._validate = Validator(stream, max_clock_skew_seconds=max_clock_skew_seconds)

    @property
    def conflicting(self) -> Iterator[str]:
        """The events that were sent with different contents.

        The record's own time is ignored.
        """
        ignored = {self._time} if self.stream.event_time_path is None else set()
        for identity, versions in self.versions.items():
            first = self.accepted[identity]
            if any(version[name] != first[name] for version in versions for name in first.keys() - ignored):
                yield identity

    def take(self, records: Iterable[TopicRecord]) -> None:
        """Adds records that were not added before."""
        for record in records:
            self.consumed += 1
            arrived = record.timestamp if record.by_broker else None
            outcome = self._validate(record.key, record.value, record.timestamp)
            if isinstance(outcome, Dead):
                key = f"{self.stream.topic}-{record.partition}-{record.offset}".encode()
                self.dead[key] = Letter(record.value, self._headers(record, outcome))
            elif isinstance(outcome, Control):
                self.control += 1
                self.arrivals.append(Arrival(arrived, self.stream.name, outcome.time, None))
            elif isinstance(outcome, Ignored):
                self.ignored += 1
            else:
                self._event(arrived, outcome.fields)

    def _event(self, at: int | None, fields: Fields) -> None:
        identity, time = text_of(fields[self._identity]), int(fields[self._time])
        self.arrivals.append(Arrival(at, self.stream.name, time, identity))
        first = self.accepted.setdefault(identity, fields)
        if first is fields:
            return
        self.repeated += 1
        if fields != first and fields not in (versions := self.versions.setdefault(identity, [])):
            versions.append(fields)

    def _headers(self, record: TopicRecord, dead: Dead) -> dict[str, str]:
        return {
            "source_topic": self.stream.topic,
            "source_partition": str(record.partition),
            "source_offset": str(record.offset),
            "source_timestamp": str(record.timestamp),
            "error": str(dead.error),
        }


def expected_watermark(settings: Settings) -> datetime | None:
    """Returns the watermark after the topics' last records.

    None while a stream has no event.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer or a topic is missing.
    """
    streams = declared_by(settings.location).streams
    intakes = [Intake(stream, max_clock_skew_seconds=settings.job.max_clock_skew_seconds) for stream in streams]
    for intake in intakes:
        with TopicReader(settings.kafka, intake.stream.topic) as reader:
            ends, beginnings = reader.ends(), reader.beginnings()
            starts = {number: max(beginnings[number], end - _LAST) for number, end in ends.items()}
            intake.take(reader.read(starts, ends))
    arrivals = (arrival for intake in intakes for arrival in intake.arrivals)
    reached = sweep(arrivals, [stream.name for stream in streams], lateness_seconds=settings.job.lateness_seconds)
    return _EPOCH + timedelta(milliseconds=reached.ms) if reached.ms else None
