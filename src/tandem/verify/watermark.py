"""Computes the watermark that the records imply, and which records may be late."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
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

    def move(arrival: Arrival) -> None:
        nonlocal watermark
        ms, known = arrival.time // 1000, newest[arrival.stream]
        newest[arrival.stream] = ms if known is None or ms > known else known
        watermark = max(watermark, minimum(newest.values(), lateness_seconds * 1000))

    def judge(arrival: Arrival) -> None:
        if arrival.identity is None or (event := (arrival.stream, arrival.identity)) in seen:
            return
        seen.add(event)
        if arrival.time <= max(watermark, passed_ms) * 1000:
            late.add(event)

    noted: list[tuple[int, Arrival]] = []
    unknown: list[Arrival] = []
    for arrival in arrivals:
        if arrival.at is None:
            unknown.append(arrival)
            move(arrival)
        else:
            noted.append((arrival.at, arrival))
    noted.sort(key=itemgetter(0))
    moved = 0
    for at, arrival in noted:
        while moved < len(noted) and noted[moved][0] <= read_by(at):
            move(noted[moved][1])
            moved += 1
        judge(arrival)
    for arrival in unknown:
        judge(arrival)
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
