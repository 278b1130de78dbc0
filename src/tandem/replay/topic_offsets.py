"""Asks Kafka for the offsets of a replay's range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from tandem.catalog import declared_by
from tandem.replay.resolve import PartitionOffsets, milliseconds
from tandem.settings.model import Settings
from tandem.verify.topics import TopicReader

Committed = Mapping[str, Mapping[str, int]]


def offsets_in(
    settings: Settings, *, since: datetime, until: datetime | None, margin_s: float, committed: Committed | None
) -> Iterator[PartitionOffsets]:
    """Yields the offsets of each partition of the pipeline's topics.

    Args:
        settings: the pipeline's settings.
        since: the begin of the range.
        until: its end; None for the last record.
        margin_s: how long before the range the records are read, in seconds.
        committed: the offset behind the last record to consider, by topic and partition; None for all records.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer, or a topic is missing.
    """
    since_ms = milliseconds(since)
    for stream in declared_by(settings.location).streams:
        with TopicReader(settings.kafka, stream.topic) as reader:
            begins, ends = reader.beginnings(), reader.ends()
            read, first = reader.at(since_ms - round(margin_s * 1000)), reader.at(since_ms)
            behind = {} if until is None else reader.at(milliseconds(until))
            oldest = reader.at(0)
        for number, begin in begins.items():
            end = ends[number]
            if committed is not None:
                end = min(end, committed.get(stream.topic, {}).get(str(number), begin))

            def offset(found: Mapping[int, tuple[int, int]], number: int = number, end: int = end) -> int:
                return min(found[number][0], end) if number in found else end

            yield PartitionOffsets(
                topic=stream.topic,
                number=number,
                begin=begin,
                end=end,
                read=offset(read),
                since=offset(first),
                until=offset(behind),
                oldest_ms=oldest[number][1] if number in oldest else None,
            )
