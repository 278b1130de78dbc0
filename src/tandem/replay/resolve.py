"""Finds the records of a replay in the topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tandem.engine.declare.durations import sum_of_durations
from tandem.engine.declare.iso_time import iso_time_of
from tandem.engine.declare.replay_range import NEVER_MS, ReplayRange
from tandem.errors import UsageError


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
        by_broker: whether the broker has set this time. If a producer has, it says nothing about removed records.
    """

    topic: str
    number: int
    begin: int
    end: int
    read: int
    since: int
    until: int
    oldest_ms: int | None
    by_broker: bool = True


@dataclass(frozen=True)
class Margin:
    """How long before a range its partners may be.

    Attributes:
        partners_s: the events of this many seconds before the range are read.
        within_s: how far the event times of partners may differ.
        skew_s: how far an event time may lie after the record's time.
    """

    partners_s: float
    within_s: float
    skew_s: int

    @property
    def read_s(self) -> float:
        """The seconds before the range from which the records are read."""
        return self.partners_s + self.skew_s


def margin_of(parameters: Mapping[str, object], max_clock_skew_seconds: int, given_s: float | None = None) -> Margin:
    """Returns the margin of a replay.

    Args:
        parameters: the transform's parameters.
        max_clock_skew_seconds: how far an event time may lie after the record's time.
        given_s: the sum of the durations in the transform, if its parameters do not have them.
    """
    declared_s = sum_of_durations(parameters)
    if given_s is None:
        given_s = declared_s
    return Margin(given_s, max(given_s, declared_s), max_clock_skew_seconds)


def range_of(
    partitions: Iterable[PartitionOffsets],
    *,
    since: datetime,
    margin: Margin,
    into: str,
    watermark_ms: int | None,
) -> ReplayRange:
    """Returns the range of a replay.

    Args:
        partitions: the partitions of all topics.
        since: the begin of the range.
        margin: how long before it the records are read.
        into: the suffix of the collections.
        watermark_ms: the watermark of the job that writes the same collections; None if none does.

    Raises:
        UsageError: the range has no records, or Kafka has removed some that it needs.
    """
    partitions = list(partitions)
    read_ms = milliseconds(since) - round(margin.read_s * 1000)
    _check_kept(partitions, read_ms, margin.read_s)
    if not sum(max(0, min(each.until, each.end) - each.since) for each in partitions):
        raise UsageError(
            f"the topics have no records in this range, which begins at {iso_time_of(milliseconds(since))}",
            hint="`tandem status` shows whether the job has read any; see --since and --until",
        )
    offsets: dict[str, dict[str, tuple[int, int]]] = {}
    for each in partitions:
        behind = max(each.begin, min(each.until, each.end))
        offsets.setdefault(each.topic, {})[str(each.number)] = (min(each.read, behind), behind)
    complete_ms: int | None = milliseconds(since) - round(margin.partners_s * 1000)
    if all(first == 0 for span in offsets.values() for first, _ in span.values()):
        complete_ms = None
    elif any(each.begin > 0 and not each.by_broker for each in partitions):
        complete_ms = NEVER_MS
    return ReplayRange(
        offsets=offsets,
        since_ms=milliseconds(since),
        complete_ms=complete_ms,
        within_ms=round(margin.within_s * 1000),
        cut=any(each.until < each.end for each in partitions),
        into=into,
        watermark_ms=watermark_ms,
    )


def _check_kept(partitions: Iterable[PartitionOffsets], read_ms: int, margin_s: float) -> None:
    if topics := ", ".join(sorted({each.topic for each in partitions if each.end < each.begin})):
        raise UsageError(
            f"Kafka has removed records that the replay needs: those of {topics} behind the job's last commit",
            hint="`tandem status` shows the job's problem; --into replays the records that are left",
        )
    # Removed records may belong to the range, unless an older one is left.
    gone = [each for each in partitions if each.begin > 0 and (each.oldest_ms is None or each.oldest_ms >= read_ms)]
    if not gone:
        return
    topics = ", ".join(sorted({each.topic for each in gone}))
    what = (
        f"Kafka has removed records that the replay needs: it reads from {iso_time_of(read_ms)}, "
        f"{margin_s:g} s before --since, and the oldest records in {topics} are"
    )
    oldest = [each.oldest_ms for each in gone if each.oldest_ms is not None]
    if len(oldest) < len(gone):
        raise UsageError(
            f"{what} unknown, because a partition has none left",
            hint=f"--since may be {margin_s:g} s after the next record in each partition",
        )
    raise UsageError(
        f"{what} of {iso_time_of(max(oldest))}",
        hint=f"use --since {iso_time_of(max(oldest) + round(margin_s * 1000) + 1)} or later",
    )


def milliseconds(moment: datetime) -> int:
    """Returns a time in milliseconds since 1970."""
    return round(moment.timestamp() * 1000)
