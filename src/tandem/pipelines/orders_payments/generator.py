"""Generates both streams from one plan.

Each index stands for one order and its payments. All that is random about it comes from a hash of the seed and the
index, so either stream can be computed alone, and both agree on ids, times and amounts. A stream's records come in the
order of their arrival times; what arrives after others waits in a heap, a few percent of all records.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import count
from typing import Any, assert_never

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.stream import Stream
from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.producer.odd_records import ODD_AMOUNTS, ODD_ENDINGS, dump, malformed, unusual
from tandem.producer.plan import LATE_AFTER, Plan
from tandem.producer.record import Record
from tandem.producer.time import iso

_MINUTE_MS = 60_000
_EARLY_MS = 25 * _MINUTE_MS
_PAYMENT_MS = 4 * _MINUTE_MS
_REPEAT_MS = 10 * _MINUTE_MS
_OUTSIDE_WINDOW_MS = 40 * _MINUTE_MS
_LATE_MS = int(LATE_AFTER.total_seconds()) * 1000
# In real time nobody wants to wait 25 minutes for the first early payment's order: 20 seconds do.
_REAL_TIME_SCALE = 1 / 75

_ODD_SHARE = 0.02
_SEVERAL_SHARE = 0.03
_KEYLESS_SHARE = 0.01

_DIGITS = frozenset("0123456789")
_U32 = 1 << 32
_unpack = struct.Struct("<10I").unpack


def orders(plan: Plan) -> Iterator[Record]:
    """Yields the order stream's records in the order of their arrival."""
    return _Source(plan, ORDERS).orders()


def payments(plan: Plan) -> Iterator[Record]:
    """Yields the payment stream's records in the order of their arrival."""
    return _Source(plan, PAYMENTS).payments()


class _Source:
    def __init__(self, plan: Plan, stream: Stream) -> None:
        self._plan = plan
        self._stream = stream
        self._name = plan.name
        self._seed = f"{plan.seed}:".encode()
        self._scale = 1.0 if plan.rate is None else _REAL_TIME_SCALE
        self._held: list[tuple[int, int, Record]] = []
        self._held_number = 0
        mix = plan.mix
        late = mix.late / plan.late_share if plan.late_share else 0.0
        self._unmatched_below = int(mix.unmatched * _U32)
        self._early_below = self._unmatched_below + int(mix.early * _U32)
        self._late_below = self._early_below + int(late * _U32)
        self._first = 0 if plan.rate is None else int(plan.start_ms * plan.rate / 1000)
        self._start_ms, self._span_ms, self._count = plan.start_ms, plan.span_ms, plan.count or 1
        self._rate = plan.rate
        self._template = "{" + ", ".join(f'"{name}": {_place(kind)}' for name, kind in stream.fields.items()) + "}"
        # Below this index, what arrives much later still has other records behind it.
        self._settles_below = self._first + int((plan.count or 0) * plan.late_share) if plan.rate is None else 0

    def orders(self) -> Iterator[Record]:
        for index in self._indexes():
            time = self._time(index)
            if self._held and self._held[0][0] <= time:
                yield from self._arrived(time)
            draws = self._draws(index)
            fate = draws[0]
            is_late = self._is_late(index, fate) and fate & 1 == 1
            kind = "late" if is_late else "unmatched" if fate < self._unmatched_below else "valid"
            order_id = self._order_id(index, draws)
            amount = _amount(draws)
            fields = {
                "order_id": order_id,
                "order_date": iso(time),
                "created_at": iso(time + draws[1] % 1000),
                "customer_id": f"customer-{draws[3] % 5000}",
                "amount": amount,
            }
            record = self._record(fields, order_id, kind, time, draws[4])
            yield from self._sent(record, index, time, draws[5], draws[6], fields, late=is_late)
        yield from self._arrived(None)

    def payments(self) -> Iterator[Record]:
        # Early payments arrive before their order's time, so they are looked for that far ahead.
        ahead = iter(self._indexes())
        next_ahead = next(ahead, None)
        reach = int(_EARLY_MS * self._scale)
        for index in self._indexes():
            time = self._time(index)
            while next_ahead is not None and self._time(next_ahead) <= time + reach:
                draws = self._draws(next_ahead)
                if self._unmatched_below <= draws[0] < self._early_below:
                    self._pay(next_ahead, draws, 0, -1 - draws[1] % reach, "early")
                next_ahead = next(ahead, None)
            draws = self._draws(index)
            if not self._unmatched_below <= draws[0] < self._early_below:
                self._pay_later(index, draws)
            if self._held and self._held[0][0] <= time:
                yield from self._arrived(time)
        yield from self._arrived(None)

    def _pay_later(self, index: int, draws: tuple[int, ...]) -> None:
        fate = draws[0]
        reach = int(_PAYMENT_MS * self._scale)
        delay = draws[1] % reach
        if fate < self._unmatched_below:
            # Of those that can, every fourth names an order that is there, but is dated outside the match window.
            outside = index < self._settles_below and fate & 3 == 0
            self._pay(
                index, draws, 0, _OUTSIDE_WINDOW_MS + delay if outside else delay, "unmatched", orphan=not outside
            )
            return
        is_late = self._is_late(index, fate) and fate & 1 == 0
        self._pay(index, draws, 0, delay, "late" if is_late else "valid", late=is_late)
        if draws[7] < _SEVERAL_SHARE * _U32:
            for number in range(1, 2 + draws[7] % 3):
                self._pay(index, draws, number, (delay + number * reach // 4) % reach, "valid")

    def _pay(
        self,
        index: int,
        draws: tuple[int, ...],
        number: int,
        delay: int,
        kind: str,
        *,
        orphan: bool = False,
        late: bool = False,
    ) -> None:
        time = self._time(index) + delay
        order_id = f"o-{self._name}-{index}-none" if orphan else self._order_id(index, draws)
        payment_id = f"p-{self._name}-{index}-{number}{_odd_ending(draws[9])}"
        fields = {
            "payment_id": payment_id,
            "order_id": order_id,
            "payment_date": iso(time),
            "created_at": iso(time + draws[3] % 1000),
            "amount": _amount(draws),
        }
        record = self._record(fields, payment_id, kind, time, draws[8] if number == 0 else _U32 - 1)
        for each in self._sent(
            record, index, time, draws[9], draws[5] ^ draws[6], fields, late=late, first=number == 0
        ):
            self._hold(time, each)

    def _record(self, fields: dict[str, Any], record_id: str, kind: str, time: int, odd: int) -> Record:
        form = _within(odd, _ODD_SHARE)
        if form is not None:
            value = unusual(fields, self._stream, form)
        elif fields["order_id"][-1] in _DIGITS and record_id[-1] in _DIGITS:
            # Several times faster than the JSON encoder. Ids that end in a digit have nothing to escape.
            value = (self._template % tuple(fields.values())).encode()
        else:
            value = dump(fields)
        # Both streams are keyed by the order.
        key = None if odd > (1 - _KEYLESS_SHARE) * (_U32 - 1) and odd != _U32 - 1 else fields["order_id"].encode()
        return Record(self._stream.topic, key, value, record_id, kind, self._due(time))

    def _sent(
        self,
        record: Record,
        index: int,
        time: int,
        repeat: int,
        spoil: int,
        fields: dict[str, Any],
        *,
        late: bool,
        first: bool = True,
    ) -> Iterator[Record]:
        """Yields what arrives together with an event and holds what follows later."""
        if late:
            self._hold(time + _LATE_MS, record)
            return
        yield record
        if not first:
            return
        again = _within(repeat, self._plan.mix.repeats)
        if again is not None:
            copy = replace(record, kind="repeat")
            if again < 0.5:
                yield copy
            elif again < 0.9 or index >= self._settles_below:
                self._hold(time + int((again - 0.5) * 2 * _REPEAT_MS * self._scale), copy)
            else:
                self._hold(time + _LATE_MS, copy)
        choice = _within(spoil, self._plan.mix.malformed)
        if choice is not None:
            label = f"bad-{self._stream.name}-{self._name}-{index}"
            kind, value = malformed({**fields, self._stream.identity: label}, self._stream, choice)
            # A record needs a key or a value.
            key = None if spoil & 3 == 0 and value is not None else label.encode()
            yield Record(self._stream.topic, key, value, label, f"malformed:{kind}", record.due)

    def _hold(self, arrival: int, record: Record) -> None:
        self._held_number += 1
        if record.due is not None:
            record = replace(record, due=self._due(arrival))
        heapq.heappush(self._held, (arrival, self._held_number, record))

    def _arrived(self, time: int | None) -> Iterator[Record]:
        held = self._held
        while held and (time is None or held[0][0] <= time):
            yield heapq.heappop(held)[2]

    def _indexes(self) -> Iterable[int]:
        if self._plan.count is None:
            return count(self._first)
        return range(self._first, self._first + self._plan.count)

    def _time(self, index: int) -> int:
        if self._rate is not None:
            return int(index * 1000 / self._rate)
        return self._start_ms + index * self._span_ms // self._count

    def _due(self, arrival: int) -> float | None:
        return None if self._rate is None else arrival / 1000

    def _draws(self, index: int) -> tuple[int, ...]:
        """Returns ten independent 32-bit numbers."""
        return _unpack(blake2b(self._seed + b"%d" % index, digest_size=40).digest())

    def _is_late(self, index: int, fate: int) -> bool:
        in_time = self._plan.rate is not None or index < self._settles_below
        return in_time and self._early_below <= fate < self._late_below

    def _order_id(self, index: int, draws: tuple[int, ...]) -> str:
        return f"o-{self._name}-{index}{_odd_ending(draws[3])}"


def _within(draw: int, share: float) -> float | None:
    """Returns None for all but ``share`` of the draws, and for those a number that is uniform in [0, 1)."""
    limit = share * _U32
    return draw / limit if draw < limit else None


def _odd_ending(draw: int) -> str:
    return ODD_ENDINGS[draw // 200 % len(ODD_ENDINGS)] if draw % 200 == 0 else ""


def _place(kind: FieldType) -> str:
    """Returns what stands for a field's value in the template of a record."""
    match kind:
        case FieldType.STRING | FieldType.TIMESTAMP:
            return '"%s"'
        case FieldType.INTEGER:
            return "%d"
        case _:
            assert_never(kind)


def _amount(draws: tuple[int, ...]) -> int:
    draw = draws[2]
    return ODD_AMOUNTS[draw // 500 % len(ODD_AMOUNTS)] if draw % 500 == 0 else 1 + draw % 100_000
