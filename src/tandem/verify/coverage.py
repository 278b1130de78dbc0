"""Finds out what the records in the topics can say after Kafka has removed some."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tandem.catalog import Declaration
from tandem.engine.declare.durations import sum_of_durations
from tandem.engine.declare.replay_range import NEVER_MS
from tandem.settings.model import JobSettings
from tandem.verify.bounds import event_times
from tandem.verify.topics import Ends, Offsets, TopicReader


@dataclass(frozen=True)
class Coverage:
    """What the records that were read can say. By default they are all that ever were.

    Times are in milliseconds since 1970.

    Attributes:
        beginnings: the first available offset, by topic and partition; 0 where not given.
        decided_ms: an event with this event time or a later one has all its partners among the records; None if all
            events have.
        removed_ms: an earlier event time of a document may be that of a removed record; None if none were removed.
        passed_ms: removed records have moved the watermark at most to this; 0 if none were removed.
        letters_ms: the dead letters of records that arrived then or later are all in their topic; None if all are.
        event_times: the fields of documents with the event times of their events, by collection.
    """

    beginnings: Ends = field(default_factory=dict)
    decided_ms: int | None = None
    removed_ms: int | None = None
    passed_ms: int = 0
    letters_ms: int | None = None
    event_times: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def coverage_of(
    declared: Declaration, job: JobSettings, topics: Sequence[TopicReader], letters: TopicReader
) -> Coverage:
    """Returns what the records that are left in the topics can say.

    Retention removes the oldest records of a partition. An event time is at most the clock skew after the record's
    arrival. So the topics hold all events from the arrival of the oldest record left on, plus the skew. If producers
    set the record times, the arrival is unknown, and so are all events with their partners.

    Args:
        declared: the pipeline's declarations.
        job: its settings.
        topics: the readers of the streams' topics.
        letters: the reader of the dead letters' topic.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer.
    """
    beginnings = {reader.topic: reader.beginnings() for reader in (*topics, letters)}
    since = [since_ms for reader in topics if (since_ms := _since(reader, beginnings[reader.topic])) is not None]
    letters_ms = _since(letters, beginnings[letters.topic])
    if not since:
        return Coverage(beginnings, letters_ms=letters_ms)
    complete_ms = max(since) + job.max_clock_skew_seconds * 1000
    # As for a replay: from here on, an event's partners are also in the topics.
    decided_ms = complete_ms + round(sum_of_durations(job.parameters) * 1000)
    return Coverage(
        beginnings,
        decided_ms=decided_ms,
        removed_ms=decided_ms,
        passed_ms=complete_ms - job.lateness_seconds * 1000,
        letters_ms=letters_ms,
        event_times={each.name: event_times(declared, each) for each in declared.collections},
    )


def _since(reader: TopicReader, beginnings: Offsets) -> int | None:
    """Returns since when a topic holds all records that arrived; None if it holds all."""
    removed = {number: begin for number, begin in beginnings.items() if begin > 0}
    if not removed:
        return None
    ends = reader.ends()
    # A partition without records holds all that will arrive.
    oldest = dict.fromkeys(removed, int(time.time() * 1000))
    unread = {number: begin for number, begin in removed.items() if begin < ends[number]}
    for record in reader.read(dict(unread), ends) if unread else ():
        if unread.pop(record.partition, None) is not None:
            oldest[record.partition] = record.timestamp if record.by_broker else NEVER_MS
        if not unread:
            break
    return max(oldest.values())
