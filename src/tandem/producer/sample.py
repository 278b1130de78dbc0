"""Generates the records of a pipeline's streams from one function that returns the events of a moment.

The seed and a moment's number determine all random choices, so each stream can be computed in its own process and all
agree. Difficult records (repeats, records out of order, late, unusual and malformed ones) are added here.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from random import Random
from typing import Any

from tandem.engine.declare.stream import Stream
from tandem.producer.plan import LATE_AFTER, Plan
from tandem.producer.record import Record
from tandem.producer.values import values_of

# No event is dated longer than this before its moment.
REACH_MS = 25 * 60_000
_REPEAT_MS = 10 * 60_000
_LATE_MS = int(LATE_AFTER.total_seconds()) * 1000
# In real time, delays between related events are seconds instead of minutes.
_REAL_TIME_SCALE = 1 / 75
_UNUSUAL_SHARE = 0.02
_KEYLESS_SHARE = 0.01


class Fate(StrEnum):
    """The special kinds of moments; ``Mix`` has their shares."""

    VALID = "valid"
    UNMATCHED = "unmatched"
    EARLY = "early"
    LATE = "late"


@dataclass(frozen=True)
class Moment:
    """One of the primary events of a plan.

    Attributes:
        id: unique to the moment among all plans; identities are made from it.
        time_ms: its time, in milliseconds since 1970.
        fate: its special kind.
        chance: the moment's own random numbers; every stream gets the same ones.
        scale: the ratio of durations to those in compressed time; see ``scaled``.
    """

    id: str
    time_ms: int
    fate: Fate
    chance: Random
    scale: float = 1.0

    def scaled(self, milliseconds: int) -> int:
        """Returns a duration in this plan, at least 1: in real time, durations are seconds."""
        return max(1, int(milliseconds * self.scale))


@dataclass(frozen=True)
class Event:
    """A future record.

    Attributes:
        stream: its stream.
        fields: the values; a timestamp in milliseconds since 1970, at most ``REACH_MS`` before the moment's.
        key: the Kafka key; None for the event's identity.
        late: whether it arrives late in a moment of that kind.
    """

    stream: Stream
    fields: Mapping[str, Any]
    key: str | None = None
    late: bool = False


def sample(plan: Plan, stream: Stream, happens: Callable[[Moment], Iterable[Event]]) -> Iterator[Record]:
    """Yields a stream's records in the order of their arrival.

    Args:
        plan: the plan of the records.
        stream: the stream to generate.
        happens: yields the events of a moment, those of all streams.
    """
    arrivals = _Arrivals()
    sampler = _Sampler(plan, stream)
    reach = int(REACH_MS * sampler.scale)
    for index in sampler.indexes():
        moment = sampler.moment(index)
        events = [event for event in happens(moment) if event.stream == stream]
        spoiled = Random(f"{plan.seed}:{index}:{stream.name}")
        for event in events:
            for arrival_ms, record in sampler.records(event, moment, index, spoiled):
                arrivals.hold(arrival_ms, record)
        # Records of later moments arrive after this.
        yield from arrivals.until(moment.time_ms - reach)
    yield from arrivals.until(None)


class _Arrivals:
    """Records in the order of their arrival."""

    def __init__(self) -> None:
        self._held: list[tuple[int, int, Record]] = []
        self._numbers = count()

    def hold(self, arrival_ms: int, record: Record) -> None:
        if record.due is not None:
            record = replace(record, due=arrival_ms / 1000)
        heapq.heappush(self._held, (arrival_ms, next(self._numbers), record))

    def until(self, time_ms: int | None) -> Iterator[Record]:
        while self._held and (time_ms is None or self._held[0][0] <= time_ms):
            yield heapq.heappop(self._held)[2]


class _Sampler:
    def __init__(self, plan: Plan, stream: Stream) -> None:
        self._plan, self._stream = plan, stream
        self._values = values_of(stream)
        self.scale = 1.0 if plan.rate is None else _REAL_TIME_SCALE
        self._first = 0 if plan.rate is None else int(plan.start_ms * plan.rate / 1000)
        # Below this index, records that arrive much later are still followed by others.
        self._settles_below = int((plan.count or 0) * plan.late_share) if plan.rate is None else 0

    def indexes(self) -> Iterable[int]:
        return count(self._first) if self._plan.count is None else range(self._first, self._first + self._plan.count)

    def moment(self, index: int) -> Moment:
        plan = self._plan
        if plan.rate is not None:
            time_ms = int(index * 1000 / plan.rate)
        else:
            time_ms = plan.start_ms + index * plan.span_ms // (plan.count or 1)
        chance = Random(f"{plan.seed}:{index}")
        return Moment(f"{plan.name}-{index}", time_ms, self._fate(index, chance.random()), chance, self.scale)

    def _fate(self, index: int, draw: float) -> Fate:
        mix = self._plan.mix
        # All late records are among those that others can still follow.
        late = mix.late / self._plan.late_share if self._plan.late_share and index < self._settles_below else 0.0
        for fate, share in ((Fate.UNMATCHED, mix.unmatched), (Fate.EARLY, mix.early), (Fate.LATE, late)):
            if draw < share:
                return fate
            draw -= share
        return Fate.VALID

    def records(self, event: Event, moment: Moment, index: int, chance: Random) -> Iterator[tuple[int, Record]]:
        """Yields the event's record, its repeats and malformed records, each with its time of arrival."""
        stream, mix = self._stream, self._plan.mix
        fields, values = event.fields, self._values
        arrival, identity = fields[stream.event_time], fields[stream.identity]
        value = values.unusual(fields, chance.random()) if chance.random() < _UNUSUAL_SHARE else values.plain(fields)
        key = None if chance.random() < _KEYLESS_SHARE else (event.key or identity).encode()
        due = None if self._plan.rate is None else 0.0
        record = Record(stream.topic, key, value, identity, str(moment.fate), due)
        late = event.late and moment.fate is Fate.LATE
        yield arrival + _LATE_MS if late else arrival, record
        if chance.random() < mix.repeats and not late:
            again = arrival + int(chance.random() * _REPEAT_MS * self.scale)
            if index < self._settles_below and chance.random() < mix.repeats:
                again = arrival + _LATE_MS
            yield again, replace(record, kind="repeat")
        if chance.random() < mix.malformed:
            label = f"bad-{stream.name}-{moment.id}"
            kind, spoiled = values.malformed({**fields, stream.identity: label}, chance.random())
            # A record needs a key or a value.
            yield arrival, Record(stream.topic, label.encode(), spoiled, label, f"malformed:{kind}", due)
