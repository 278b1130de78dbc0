"""What MongoDB must hold after given orders and payments, computed without Spark for ``tandem verify``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from bson.datetime_ms import DatetimeMS

from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, STREAMS, UNMATCHED

__all__ = ["COLLECTIONS", "DEAD_LETTER_TOPIC", "STREAMS", "Expectation", "expect"]

COLLECTIONS = (FACTS, UNMATCHED)

# Which millisecond of the watermark is the first that evicts an event is the engine's affair: one more or less may be.
_BOUNDARY_MS = 1

_Fields = Mapping[str, Any]
_Event = tuple[str, str]  # stream and identity
_Document = dict[str, Any]


@dataclass(frozen=True)
class Expectation:
    """What must be there.

    Attributes:
        documents: each collection's documents by ``_id``, dates as ``DatetimeMS``.
        outcome: what became of each event: ``matched``, ``unmatched``, ``waiting`` (for a match) or ``late``.
    """

    documents: dict[str, dict[str, _Document]]
    outcome: dict[_Event, str]


def expect(
    accepted: Mapping[str, Mapping[str, _Fields]],
    *,
    watermark_ms: int,
    late: Set[_Event],
    observed: Mapping[str, Set[str]],
    match_window_seconds: int,
) -> Expectation:
    """Returns the documents that must be there, and no others.

    An event that may have been late was either processed like any other or ignored as if never sent. Which of the two
    shows in the database: it was processed when a fact or its unmatched document is there. All else must agree.

    Args:
        accepted: each stream's events by identity; timestamps in microseconds since 1970.
        watermark_ms: the watermark that the job has reached, in milliseconds since 1970.
        late: the events that may have been late.
        observed: the ``_id``s that are there now, by collection.
        match_window_seconds: how far apart a payment and its order may be dated.
    """
    orders, payments = accepted["orders"], accepted["payments"]
    pairs = list(_pairs(orders, payments, match_window_seconds * 1_000_000))
    ignored = set(late - _processed(pairs, late, observed)) if late else set()
    documents: dict[str, dict[str, _Document]] = {FACTS: {}, UNMATCHED: {}}
    outcome: dict[_Event, str] = dict.fromkeys(ignored, "late")
    for order_id, payment_id in pairs:
        if ("orders", order_id) not in ignored and ("payments", payment_id) not in ignored:
            documents[FACTS][_fact_id(order_id, payment_id)] = _fact(orders[order_id], payments[payment_id])
            outcome["orders", order_id] = outcome["payments", payment_id] = "matched"
    kinds: tuple[tuple[str, str, Callable[[_Fields], _Document]], ...] = (
        ("orders", "order_date", _unmatched_order),
        ("payments", "payment_date", _unmatched_payment),
    )
    ignored_alone = ignored - {event for pair in pairs for event in zip(("orders", "payments"), pair, strict=True)}
    for stream, event_time, document in kinds:
        for identity, fields in accepted[stream].items():
            passed_ms = watermark_ms - fields[event_time] // 1000 - match_window_seconds * 1000
            if (stream, identity) in outcome:
                # Processed or ignored, it has left no trace so far: neither has one that waits.
                if (stream, identity) in ignored_alone and passed_ms <= _BOUNDARY_MS:
                    outcome[stream, identity] = "waiting"
                continue
            unmatched = document(fields)
            if passed_ms > _BOUNDARY_MS or (passed_ms >= -_BOUNDARY_MS and unmatched["_id"] in observed[UNMATCHED]):
                documents[UNMATCHED][unmatched["_id"]] = unmatched
                outcome[stream, identity] = "unmatched"
            else:
                outcome[stream, identity] = "waiting"
    return Expectation(documents, outcome)


def _pairs(orders: Mapping[str, _Fields], payments: Mapping[str, _Fields], window_us: int) -> Iterator[tuple[str, str]]:
    for payment_id, payment in payments.items():
        order = orders.get(payment["order_id"])
        if order is not None and abs(payment["payment_date"] - order["order_date"]) <= window_us:
            yield order["order_id"], payment_id


def _processed(pairs: list[tuple[str, str]], events: Set[_Event], observed: Mapping[str, Set[str]]) -> set[_Event]:
    kinds = {"orders": "order", "payments": "payment"}
    found = {event for event in events if f"{kinds[event[0]]}|{event[1]}" in observed[UNMATCHED]}
    for order_id, payment_id in pairs:
        if _fact_id(order_id, payment_id) in observed[FACTS]:
            found |= {("orders", order_id), ("payments", payment_id)}
    return found


def _fact_id(order_id: str, payment_id: str) -> str:
    return f"{_escaped(order_id)}|{_escaped(payment_id)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def _fact(order: _Fields, payment: _Fields) -> _Document:
    return {
        "_id": _fact_id(order["order_id"], payment["payment_id"]),
        "order_id": order["order_id"],
        "order_date": _date(order["order_date"]),
        "created_at": _date(order["created_at"]),
        "customer_id": order["customer_id"],
        "order_amount": order["amount"],
        "payment_id": payment["payment_id"],
        "payment_date": _date(payment["payment_date"]),
        "payment_amount": payment["amount"],
    }


def _unmatched_order(order: _Fields) -> _Document:
    dates = {name: _date(order[name]) for name in ("order_date", "created_at")}
    return {**order, **dates, "_id": f"order|{order['order_id']}", "kind": "order"}


def _unmatched_payment(payment: _Fields) -> _Document:
    dates = {name: _date(payment[name]) for name in ("payment_date", "created_at")}
    return {**payment, **dates, "_id": f"payment|{payment['payment_id']}", "kind": "payment"}


def _date(micros: int) -> DatetimeMS:
    return DatetimeMS(micros // 1000)
