"""Finds the records of a replay in the topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import UsageError

# The end of the names of a pipeline's parameters that are durations.
_SECONDS = "_seconds"


@dataclass(frozen=True)
class PartitionOffsets:
    """The offsets of one partition.

    Attributes:
        topic: the topic's name.
        number: the partition's number.
        begin: the first available offset.
        end: the offset behind the last record to consider.
        read: the first offset with the time from which to read, or ``end``.
        since: the first offset in the range, or ``end``.
        until: the first offset behind the range, or ``end``.
        oldest_ms: the time of the first available record, in milliseconds since 1970; None if there is none.
    """

    topic: str
    number: int
    begin: int
    end: int
    read: int
    since: int
    until: int
    oldest_ms: int | None


def longest_seconds(parameters: Mapping[str, object]) -> float:
    """Returns the longest duration among a transform's parameters.

    Durations have names that end with ``_seconds``.
    """
    durations = [
        float(value)
        for name, value in parameters.items()
        if name.endswith(_SECONDS) and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return max(durations, default=0.0)


def margin_seconds(parameters: Mapping[str, object], max_clock_skew_seconds: int) -> float:
    """Returns how long before the range the records must be read.

    The partner of an event in the range is at most the longest duration of the transform before it. An event time may
    lie after the record's time by the clock skew.

    Args:
        parameters: the transform's parameters.
        max_clock_skew_seconds: how far an event time may lie after the record's time.
    """
    return longest_seconds(parameters) + max_clock_skew_seconds


def decided_from_ms(span: ReplayRange, parameters: Mapping[str, object]) -> int | None:
    """Returns the event time from which the range has all partners of its events.

    In milliseconds since 1970; None if it has those of all events.
    """
    if span.complete_ms is None:
        return None
    return max(span.since_ms, span.complete_ms + round(longest_seconds(parameters) * 1000))


def range_of(
    partitions: Iterable[PartitionOffsets],
    *,
    since: datetime,
    margin_s: float,
    max_clock_skew_seconds: int,
    into: str,
) -> ReplayRange:
    """Returns the range of a replay.

    Args:
        partitions: the partitions of all topics.
        since: the begin of the range.
        margin_s: how long before it the records are read.
        max_clock_skew_seconds: how far an event time may lie after the record's time.
        into: the suffix of the collections.

    Raises:
        UsageError: the range has no records, or Kafka has removed some that it needs.
    """
    partitions = list(partitions)
    read_ms = milliseconds(since) - round(margin_s * 1000)
    gone = [each for each in partitions if 0 < each.begin == each.read < each.end and each.oldest_ms]
    if gone:
        oldest_ms = max(each.oldest_ms or 0 for each in gone)
        topics = ", ".join(sorted({each.topic for each in gone}))
        raise UsageError(
            f"Kafka has removed records that the replay needs: it reads from {_text(read_ms)}, "
            f"{margin_s:g} s before --since, and the oldest records in {topics} are of {_text(oldest_ms)}",
            hint=f"use --since {_text(oldest_ms + round(margin_s * 1000) + 1)} or later",
        )
    if not sum(max(0, min(each.until, each.end) - each.since) for each in partitions):
        raise UsageError(
            f"the topics have no records in this range, which begins at {_text(milliseconds(since))}",
            hint="`tandem status` shows whether the job has read any; see --since and --until",
        )
    offsets: dict[str, dict[str, tuple[int, int]]] = {}
    for each in partitions:
        behind = max(each.begin, min(each.until, each.end))
        offsets.setdefault(each.topic, {})[str(each.number)] = (min(each.read, behind), behind)
    whole = all(first == 0 for span in offsets.values() for first, _ in span.values())
    return ReplayRange(
        offsets=offsets,
        since_ms=milliseconds(since),
        complete_ms=None if whole else read_ms + max_clock_skew_seconds * 1000,
        cut=any(each.until < each.end for each in partitions),
        into=into,
    )


def check_extends(earlier: ReplayRange, later: ReplayRange) -> None:
    """Raises if a replay into a set lacks records of the earlier replay into it.

    The set would have documents of records that the later range does not have, and could not be verified.

    Raises:
        UsageError: a record is missing.
    """
    for topic, span in earlier.offsets.items():
        for partition, (first, behind) in span.items():
            now = later.offsets.get(topic, {}).get(partition)
            if now is None or now[0] > first or now[1] < behind:
                raise UsageError(
                    f"the collections with the suffix {later.into} hold a replay of records that this range does not "
                    "have",
                    hint=f"use --since {_text(earlier.since_ms)} or earlier without --until, or another suffix",
                )


def milliseconds(moment: datetime) -> int:
    """Returns a time in milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def _text(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):  # before the year 1
        return f"{ms} ms"
