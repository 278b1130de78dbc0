"""Generates the records of streams from the events of moments.

The seed and a moment's number determine all random choices, so each stream can be computed in its own process and all
agree. Difficult records (repeats, records out of order, late, unusual and malformed ones) are added here.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from hashlib import blake2b
from itertools import accumulate, count
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from tandem.engine.declare.field_name import Path
from tandem.engine.declare.stream import Stream
from tandem.producer.document_id import default_at, given, identity_in, with_identity
from tandem.producer.ledger import Record
from tandem.producer.record_encoder import encoder_of
from tandem.producer.record_plan import LATE_AFTER, Plan

# No event of an early moment is dated longer than this before it.
REACH_MS = 25 * 60_000
_REPEAT_MS = 10 * 60_000
_LATE_MS = int(LATE_AFTER.total_seconds()) * 1000
# In real time, delays between related events are seconds instead of minutes.
_REAL_TIME_SCALE = 1 / 75
_UNUSUAL_SHARE = 0.02
_KEYLESS_SHARE = 0.01
_draws = struct.Struct(">IQQ").unpack


class MomentKind(StrEnum):
    """The special kinds of moments; ``Mix`` has their shares."""

    VALID = "valid"
    UNMATCHED = "unmatched"
    EARLY = "early"
    LATE = "late"


class Moment(NamedTuple):
    """One of the primary events of a plan.

    Attributes:
        id: unique to the moment among all plans; identities are made from it.
        number: unique to the moment in its plan, and unlikely in another one; identities that are numbers are made
            from it.
        time_ms: its time, in milliseconds since 1970.
        kind: its special kind.
        chance: the moment's own random numbers, while its events are made; every stream gets the same ones.
        scale: the ratio of durations to those in compressed time; see ``scaled``.
        followed: whether other moments follow that are more than an hour later.
    """

    id: str
    number: int
    time_ms: int
    kind: MomentKind
    chance: Random
    scale: float = 1.0
    followed: bool = False

    def scaled(self, milliseconds: int) -> int:
        """Returns a duration in this plan, at least 1; in real time it is shorter."""
        return max(1, int(milliseconds * self.scale))


class Event(NamedTuple):
    """A future record.

    Attributes:
        stream: its stream.
        fields: the values: a timestamp in milliseconds since 1970, a decimal as ``Decimal``, a date as ``date``, a
            record as a mapping; None for a missing field. In an ``EARLY`` moment, the event time may be up to
            ``REACH_MS`` before the moment's.
        key: the Kafka key; None for the event's identity.
        late: whether it arrives late in a moment of that kind.
    """

    stream: Stream
    fields: Mapping[str, Any]
    key: str | None = None
    late: bool = False


def sample(plan: Plan, stream: Stream, events: Callable[[Moment], Iterable[Event]]) -> Iterator[Record]:
    """Yields a stream's records in the order of their arrival.

    Args:
        plan: the plan of the records.
        stream: the stream to generate.
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
        # Records of later moments arrive after this.
        yield from sampler.arrived(time_ms)
    yield from sampler.arrived(None)


class _Chance(Random):
    """Random numbers that are cheap to seed.

    Seeding Python's own generator takes longer than making a record.
    """

    def begin(self, state: int) -> None:
        self._state = state

    def random(self) -> float:
        # Knuth's linear congruential generator; its upper bits are the good ones.
        self._state = state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (state >> 11) * 2**-53


class _Sampler:
    """The records of one stream: those of some moments, held until they arrive."""

    def __init__(self, plan: Plan, stream: Stream, events: Callable[[Moment], Iterable[Event]]) -> None:
        self._plan, self._stream, self._events = plan, stream, events
        self._values, self._time_path = encoder_of(stream), stream.event_time_path
        # Consecutive numbers do not repeat, also as a remainder of a larger number.
        self._first_number = int.from_bytes(blake2b(plan.name.encode(), digest_size=6).digest())
        self._name, self._seed, self._own = plan.name, f"{plan.seed}:".encode(), crc32(stream.name.encode())
        self._start_ms, self._span_ms, self._count, self._rate = plan.start_ms, plan.span_ms, plan.count or 1, plan.rate
        self._scale = 1.0 if plan.rate is None else _REAL_TIME_SCALE
        self.reach_ms = int(REACH_MS * self._scale)
        self._first = 0 if plan.rate is None else int(plan.start_ms * plan.rate / 1000)
        # Below this index, records that arrive much later are still followed by others.
        self._followed_below = int((plan.count or 0) * plan.late_share) if plan.rate is None else 0
        # A draw below the first limit is an unmatched moment, one below the second an early one, and so on. All late
        # records are among those that others can still follow.
        late = plan.mix.late / plan.late_share if plan.late_share else 0.0
        shares = accumulate((plan.mix.unmatched, plan.mix.early, late))
        self._unmatched_below, self._early_below, self._late_below = (int(share * 2**32) for share in shares)
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
        """Makes and holds the records of a moment, if it is early or not, as asked."""
        draw, moments, own = _draws(blake2b(self._seed + b"%d" % index, digest_size=20).digest())
        if (self._unmatched_below <= draw < self._early_below) is not early:
            return
        followed, chance = index < self._followed_below, self._chance
        chance.begin(moments)
        kind = MomentKind.EARLY if early else self._kind(draw, late=followed or self._rate is not None)
        moment = Moment(
            f"{self._name}-{index}",
            self._first_number + index,
            self.time_ms(index),
            kind,
            chance,
            self._scale,
            followed,
        )
        events = [event for event in self._events(moment) if event.stream.name == self._stream.name]
        chance.begin(own ^ self._own)
        for event in events:
            self._hold_records(event, moment, chance)

    def arrived(self, time_ms: int | None) -> Iterator[Record]:
        """Yields the held records that have arrived by a time; all for None."""
        held = self._held
        while held and (time_ms is None or held[0][0] <= time_ms):
            yield heapq.heappop(held)[2]

    def _kind(self, draw: int, *, late: bool) -> MomentKind:
        """Returns the kind of a moment that is not early, given whether it may be late."""
        if draw < self._unmatched_below:
            return MomentKind.UNMATCHED
        return MomentKind.LATE if late and draw < self._late_below else MomentKind.VALID

    def _hold_records(self, event: Event, moment: Moment, chance: Random) -> None:
        """Holds the event's records until they arrive.

        These are the record, its repeats and malformed records.
        """
        stream, mix = self._stream, self._plan.mix
        fields, values = event.fields, self._values
        # If the record's timestamp is the event time, the event happens when it arrives.
        arrival = moment.time_ms if self._time_path is None else self._dated(fields, self._time_path)
        if stream.needs_key and not event.key:
            raise ValueError(f"an event of {stream.name} needs a key, which identifies it")
        identity = identity_in(stream, fields, event.key or "")
        if arrival < moment.time_ms - (self.reach_ms if moment.kind is MomentKind.EARLY else 0):
            raise ValueError(f"an event of {stream.name} in a moment of kind {moment.kind} is dated too early")
        late = event.late and moment.kind is MomentKind.LATE
        kind = moment.kind
        if (kind is MomentKind.LATE and not late) or (kind is MomentKind.EARLY and arrival >= moment.time_ms):
            kind = MomentKind.VALID
        value = values.unusual(fields, chance.random()) if chance.random() < _UNUSUAL_SHARE else values.plain(fields)
        keyless = chance.random() < _KEYLESS_SHARE and not stream.needs_key
        key = None if keyless else (event.key or identity).encode()
        record = Record(stream.topic, key, value, identity, kind.value)
        self._hold(arrival + _LATE_MS if late else arrival, record)
        if chance.random() < mix.repeats and not late:
            self._hold(self._again(arrival, moment, chance.random()), replace(record, kind="repeat"))
        if chance.random() < mix.malformed:
            label = f"bad-{stream.name}-{moment.id}"
            what, spoiled = values.malformed(with_identity(stream, fields, label), chance.random())
            # A record needs a key or a value.
            keyless = chance.random() < 0.25 and spoiled is not None
            bad = Record(stream.topic, None if keyless else label.encode(), spoiled, label, f"malformed:{what}")
            self._hold(arrival, bad)

    def _dated(self, fields: Mapping[str, Any], path: Path) -> int:
        """Returns an event's time, in milliseconds since 1970."""
        time_ms = given(fields, path)
        return int(default_at(self._stream, path) // 1000 if time_ms is None else time_ms)

    def _again(self, arrival: int, moment: Moment, draw: float) -> int:
        """Returns when a repeat arrives: at once, within minutes, or late."""
        if draw < 0.5:
            return arrival
        if draw < 0.9 or not moment.followed:
            return arrival + int((draw - 0.5) * 2 * _REPEAT_MS * self._scale)
        return arrival + _LATE_MS

    def _hold(self, arrival: int, record: Record) -> None:
        if self._rate is not None:
            record = replace(record, due=arrival / 1000)
        heapq.heappush(self._held, (arrival, next(self._numbers), record))
