"""What MongoDB must hold after given orders and payments, computed without Spark for ``tandem verify``."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, STREAMS
from tandem.pipelines.orders_payments.streams import UNMATCHED as LEFTOVERS
from tandem.testing import MATCHED, UNMATCHED, Document, Expectation, Fields, IntervalJoin, Side, date

__all__ = ["COLLECTIONS", "DEAD_LETTER_TOPIC", "OUTCOMES", "STREAMS", "expect"]

COLLECTIONS = (FACTS, LEFTOVERS)
OUTCOMES = (MATCHED, UNMATCHED)


def expect(
    accepted: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    watermark_ms: int,
    late: Set[tuple[str, str]],
    observed: Mapping[str, Set[str]],
    match_window_seconds: int,
) -> Expectation:
    """Returns the documents that must be there, and no others; see ``IntervalJoin.expect``.

    Args:
        accepted: each stream's events by identity; timestamps in microseconds since 1970.
        watermark_ms: the watermark that the job has reached, in milliseconds since 1970.
        late: the events that may have been late.
        observed: the ``_id``s that are there now, by collection.
        match_window_seconds: how far apart a payment and its order may be dated.
    """
    return _JOIN.expect(
        accepted, watermark_ms=watermark_ms, late=late, observed=observed, within_seconds=match_window_seconds
    )


def _fact(order: Fields, payment: Fields) -> Document:
    return {
        "order_id": order["order_id"],
        "order_date": date(order["order_date"]),
        "created_at": date(order["created_at"]),
        "customer_id": order["customer_id"],
        "order_amount": order["amount"],
        "payment_id": payment["payment_id"],
        "payment_date": date(payment["payment_date"]),
        "payment_amount": payment["amount"],
    }


def _unmatched_order(order: Fields) -> Document:
    return {**order, **{name: date(order[name]) for name in ("order_date", "created_at")}, "kind": "order"}


def _unmatched_payment(payment: Fields) -> Document:
    return {**payment, **{name: date(payment[name]) for name in ("payment_date", "created_at")}, "kind": "payment"}


_JOIN = IntervalJoin(
    left=Side("orders", "order", "order_date", _unmatched_order),
    right=Side("payments", "payment", "payment_date", _unmatched_payment),
    refers="order_id",
    matches=FACTS,
    leftovers=LEFTOVERS,
    document=_fact,
)
