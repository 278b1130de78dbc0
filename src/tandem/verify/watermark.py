"""Computes the watermark that the records imply, and which records may be late."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from tandem.engine.declare.stream import MOST_DELAY_MS


class Arrival(NamedTuple):
    """An accepted event or a control record.

    Attributes:
        at: its arrival in milliseconds since 1970; None if Kafka did not record it.
        stream: the stream's name.
        time: its event time in microseconds since 1970.
        identity: the event's identity; None for a control record.
    """

    at: int | None
    stream: str
    time: int
    identity: str | None


@dataclass(frozen=True)
class Watermark:
    """The outcome of ``sweep``.

    Attributes:
        ms: the final watermark in milliseconds since 1970, as the engine computes it; 0 while a stream has no event.
        late: stream and identity of each event that the watermark may have passed before its first record arrived.
    """

    ms: int
    late: frozenset[tuple[str, str]]


def sweep(
    arrivals: Iterable[Arrival], streams: Iterable[str], *, lateness_seconds: int, passed_ms: int = 0
) -> Watermark:
    """Returns the final watermark, and the events that may have been late.

    Like the engine's, the watermark is the minimum over the streams of the newest event time less the lateness, in
    whole milliseconds, and it never falls. The limits of the engine's batches are unknown. So an event *may* be late if
    its time is not after the watermark of all records that arrived until the engine read it, which is ``read_by``.
    The engine's watermark begins at 0, the year 1970. So an event dated then or before may be late even in the first
    batch.
    A record that arrived at an unknown time may have advanced the watermark before all others, and may have arrived
    after all others.
    Repeats of an event are ignored, because its first record decided the outcome.

    Args:
        arrivals: the events and control records.
        streams: the names of the streams.
        lateness_seconds: the pipeline's lateness.
        passed_ms: removed records may have moved the watermark to this before all others arrived.
    """
    newest: dict[str, int | None] = dict.fromkeys(streams)
    watermark = 0
    seen: set[tuple[str, str]] = set()
    late: set[tuple[str, str]] = set()

    def move(group: Iterable[Arrival]) -> None:
        nonlocal watermark
        for arrival in group:
            ms, known = arrival.time // 1000, newest[arrival.stream]
            newest[arrival.stream] = ms if known is None or ms > known else known
        watermark = max(watermark, minimum(newest.values(), lateness_seconds * 1000))

    def judge(group: Iterable[Arrival]) -> None:
        met = max(watermark, passed_ms) * 1000
        for arrival in group:
            if arrival.identity is None or (event := (arrival.stream, arrival.identity)) in seen:
                continue
            seen.add(event)
            if arrival.time <= met:
                late.add(event)

    noted: list[Arrival] = []
    unknown: list[Arrival] = []
    for arrival in arrivals:
        (unknown if arrival.at is None else noted).append(arrival)
    move(unknown)
    noted.sort(key=attrgetter("at"))
    times, moved = [arrival.at for arrival in noted if arrival.at is not None], 0
    for at, together in groupby(noted, key=attrgetter("at")):
        until = bisect_right(times, read_by(at), moved)
        move(noted[moved:until])
        moved = until
        judge(together)
    judge(unknown)
    return Watermark(watermark, frozenset(late))


def read_by(at: int) -> int:
    """Returns the time by which the engine reads a record.

    It is in milliseconds since 1970. Any record that arrives until then may be read before this one: the engine lets
    few records of a topic wait while it reads the other topics.

    Args:
        at: when this one arrived.
    """
    return at + MOST_DELAY_MS


def minimum(newest: Iterable[int | None], lateness_ms: int) -> int:
    """Returns the watermark of the streams' newest event times, in milliseconds.

    It is 0 while a stream has no event.
    """
    return min((0 if ms is None else ms - lateness_ms for ms in newest), default=0)
