"""Decides which records a further replay into the same set reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tandem.engine.declare.iso_time import iso_time_of
from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import UsageError
from tandem.replay.resolve import PartitionOffsets
from tandem.replay.sets import Replayed


def continued(earlier: Replayed, now: ReplayRange, partitions: Iterable[PartitionOffsets]) -> ReplayRange:
    """Returns the range of a further replay into a set.

    It must read at least the records of the earlier replay. Otherwise the set would have documents of records that the
    range does not have, and could not be verified.

    An interrupted replay is repeated with its own records, because a duration such as ``6d`` names a later time in
    every command.

    Args:
        earlier: the record of the newest replay into the set.
        now: the range that the options of this replay name.
        partitions: the partitions of all topics.

    Raises:
        UsageError: records of the earlier replay are missing.
    """
    if _has_all(earlier.span, now):
        return now
    if earlier.state == "done":
        raise UsageError(
            f"the collections with the suffix {now.into} hold a replay of records that this range does not have",
            hint=f"use --since {iso_time_of(earlier.span.since_ms)} or earlier without --until, or another suffix; "
            f"`tandem verify --into {now.into}` verifies them as they are",
        )
    begins = {(each.topic, str(each.number)): each.begin for each in partitions}
    for topic, span in earlier.span.offsets.items():
        for partition, (first, behind) in span.items():
            if first < min(behind, begins.get((topic, partition), behind)):
                raise UsageError(
                    f"Kafka has removed records of the interrupted replay into the collections with the suffix "
                    f"{now.into}",
                    hint="use another suffix",
                )
    within_ms = max(earlier.span.within_ms, now.within_ms)
    return replace(earlier.span, within_ms=within_ms, settings=now.settings)


def _has_all(earlier: ReplayRange, now: ReplayRange) -> bool:
    """Returns whether a range has all records of an earlier one."""
    for topic, span in earlier.offsets.items():
        for partition, (first, behind) in span.items():
            found = now.offsets.get(topic, {}).get(partition)
            if found is None or found[0] > first or found[1] < behind:
                return False
    return True
