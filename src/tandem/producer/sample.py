"""Generates the records of a pipeline's streams from one function that tells what happens at a moment.

All that is random about a moment comes from the seed and its number, so each stream can be computed alone, in a process
of its own, and all agree. What makes a stream difficult (repeats, records in another order, late, unusual and malformed
ones) is added here.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Any
from zlib import crc32

from tandem.engine.declare.stream import Stream
from tandem.producer.plan import LATE_AFTER, Plan
from tandem.producer.record import Record
from tandem.producer.values import values_of

# No event of an early moment is dated longer than this before it.
REACH_MS = 25 * 60_000
_REPEAT_MS = 10 * 60_000
_LATE_MS = int(LATE_AFTER.total_seconds()) * 1000
# In real time nobody wants to wait minutes for what belongs together: seconds do.
_REAL_TIME_SCALE = 1 / 75
_UNUSUAL_SHARE = 0.02
_KEYLESS_SHARE = 0.01


class Fate(StrEnum):
    """What is special about a moment; the shares are those of ``Mix``."""

    VALID = "valid"
    UNMATCHED = "unmatched"
    EARLY = "early"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Moment:
    """One of the primary events of a plan.

    Attributes:
        id: unique to the moment among all plans; to make identities of.
        time_ms: when it is, in milliseconds since 1970.
        fate: what is special about it.
        chance: the moment's own random numbers, while its events are made; every stream sees the same ones.
        scale: how much shorter than in compressed time everything takes; see ``scaled``.
        followed: whether other moments follow that are more than an hour later.
    """

    id: str
    time_ms: int
    fate: Fate
    chance: Random
    scale: float = 1.0
    followed: bool = False

    def scaled(self, milliseconds: int) -> int:
        """Returns a duration as it is in this plan: in real time everything happens within seconds; at least 1."""
        return max(1, int(milliseconds * self.scale))


@dataclass(frozen=True, slots=True)
class Event:
    """A record to come.

    Attributes:
        stream: whose it is.
        fields: the values; a timestamp in milliseconds since 1970. The event time may lie before the moment's in a
            moment of fate ``EARLY``, by at most ``REACH_MS``.
        key: the Kafka key; None for the event's identity.
        late: whether it arrives when the watermark has passed it, in a moment of that fate.
    """

    stream: Stream
    fields: Mapping[str, Any]
    key: str | None = None
    late: bool = False


def sample(plan: Plan, stream: Stream, events: Callable[[Moment], Iterable[Event]]) -> Iterator[Record]:
    """Yields a stream's records in the order of their arrival.

    Args:
        plan: what to generate.
        stream: whose records are wanted.
        events: yields the events of a moment, those of all streams.

    Raises:
        ValueError: an event is dated longer before its moment than it may be.
    """
    sampler = _Sampler(plan, stream, events)
    ahead = iter(sampler.indexes())
    next_ahead = next(ahead, None)
    for index in sampler.indexes():
        time_ms = sampler.time_ms(index)
        # Events of early moments arrive before those of this one, so they are made that far ahead.
        while next_ahead is not None and sampler.time_ms(next_ahead) <= time_ms + sampler.reach_ms:
            sampler.hold(next_ahead, early=True)
            next_ahead = next(ahead, None)
        sampler.hold(index, early=False)
        # Whatever a later moment brings arrives after this.
        yield from sampler.arrived(time_ms)
    yield from sampler.arrived(None)


class _Chance(Random):
    """Random numbers that begin anew at no cost: to seed Python's own takes longer than to make a record."""

    def begin(self, state: int) -> None:
        self._state = state

    def random(self) -> float:
        # Knuth's linear congruential generator; its upper bits are the good ones.
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 11) / 2**53


class _Sampler:
    """The records of one stream: those of some moments, held until they arrive."""

    def __init__(self, plan: Plan, stream: Stream, events: Callable[[Moment], Iterable[Event]]) -> None:
        self._plan, self._stream, self._events = plan, stream, events
        self._values = values_of(stream)
        self._name, self._seed, self._own = plan.name, f"{plan.seed}:".encode(), crc32(stream.name.encode())
        self._start_ms, self._span_ms, self._count, self._rate = plan.start_ms, plan.span_ms, plan.count or 1, plan.rate
        self._scale = 1.0 if plan.rate is None else _REAL_TIME_SCALE
        self.reach_ms = int(REACH_MS * self._scale)
        self._first = 0 if plan.rate is None else int(plan.start_ms * plan.rate / 1000)
        # Below this index, what arrives much later still has other records behind it.
        self._followed_below = int((plan.count or 0) * plan.late_share) if plan.rate is None else 0
        # All late records are among those that others can still follow.
        late = plan.mix.late / plan.late_share if plan.late_share else 0.0
        self._shares = ((Fate.UNMATCHED, plan.mix.unmatched), (Fate.EARLY, plan.mix.early), (Fate.LATE, late))
        self._chance = _Chance()
        self._held: list[tuple[int, int, Record]] = []
        self._numbers = count()

    def indexes(self) -> Iterable[int]:
        return count(self._first) if self._plan.count is None else range(self._first, self._first + self._plan.count)

    def time_ms(self, index: int) -> int:
        if self._rate is not None:
            return int(index * 1000 / self._rate)
        return self._start_ms + index * self._span_ms // self._count

    def hold(self, index: int, *, early: bool) -> None:
        """Holds the records of a moment, if its fate is or is not to be early as asked for."""
        digest = blake2b(self._seed + b"%d" % index, digest_size=16).digest()
        fate = self._fate(index, int.from_bytes(digest[:4]) / 2**32)
        if (fate is Fate.EARLY) is not early:
            return
        followed = index < self._followed_below
        self._chance.begin(int.from_bytes(digest[4:12]))
        moment = Moment(f"{self._name}-{index}", self.time_ms(index), fate, self._chance, self._scale, followed)
        events = [event for event in self._events(moment) if event.stream.name == self._stream.name]
        self._chance.begin(int.from_bytes(digest[8:]) ^ self._own)
        for event in events:
            self._hold_records(event, moment, self._chance)

    def arrived(self, time_ms: int | None) -> Iterator[Record]:
        """Yields the held records that have arrived by a time; all for None."""
        held = self._held
        while held and (time_ms is None or held[0][0] <= time_ms):
            yield heapq.heappop(held)[2]

    def _fate(self, index: int, draw: float) -> Fate:
        for fate, share in self._shares:
            if draw < share:
                late_is_possible = self._rate is not None or index < self._followed_below
                return fate if fate is not Fate.LATE or late_is_possible else Fate.VALID
            draw -= share
        return Fate.VALID

    def _hold_records(self, event: Event, moment: Moment, chance: Random) -> None:
        """Holds the event's record, its repeats and what is malformed beside it, each until its time of arrival."""
        stream, mix = self._stream, self._plan.mix
        fields, values = event.fields, self._values
        arrival, identity = fields[stream.event_time], fields[stream.identity]
        if arrival < moment.time_ms - (self.reach_ms if moment.fate is Fate.EARLY else 0):
            raise ValueError(f"an event of {stream.name} in a moment of fate {moment.fate} is dated too early")
        late = event.late and moment.fate is Fate.LATE
        kind = moment.fate
        if (kind is Fate.LATE and not late) or (kind is Fate.EARLY and arrival >= moment.time_ms):
            kind = Fate.VALID
        value = values.unusual(fields, chance.random()) if chance.random() < _UNUSUAL_SHARE else values.plain(fields)
        key = None if chance.random() < _KEYLESS_SHARE else (event.key or identity).encode()
        record = Record(stream.topic, key, value, identity, kind.value)
        self._hold(arrival + _LATE_MS if late else arrival, record)
        if chance.random() < mix.repeats and not late:
            self._hold(self._again(arrival, moment, chance.random()), replace(record, kind="repeat"))
        if chance.random() < mix.malformed:
            label = f"bad-{stream.name}-{moment.id}"
            what, spoiled = values.malformed({**fields, stream.identity: label}, chance.random())
            # A record needs a key or a value.
            keyless = chance.random() < 0.25 and spoiled is not None
            bad = Record(stream.topic, None if keyless else label.encode(), spoiled, label, f"malformed:{what}")
            self._hold(arrival, bad)

    def _again(self, arrival: int, moment: Moment, draw: float) -> int:
        """Returns when a repeat arrives: half of them at once, most others within minutes, some too late."""
        if draw < 0.5:
            return arrival
        if draw < 0.9 or not moment.followed:
            return arrival + int((draw - 0.5) * 2 * _REPEAT_MS * self._scale)
        return arrival + _LATE_MS

    def _hold(self, arrival: int, record: Record) -> None:
        if self._rate is not None:
            record = replace(record, due=arrival / 1000)
        heapq.heappush(self._held, (arrival, next(self._numbers), record))
