"""Computes the expected documents without Spark, for ``tandem verify``."""

from __future__ import annotations

from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS
from tandem.pipelines.orders_payments.streams import UNMATCHED as LEFTOVERS
from tandem.testing import MATCHED, UNMATCHED, Document, Fields, IntervalJoin, Side, date, stored

OUTCOMES = (MATCHED, UNMATCHED)


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
    return {**stored(ORDERS, order), "kind": "order"}


def _unmatched_payment(payment: Fields) -> Document:
    return {**stored(PAYMENTS, payment), "kind": "payment"}


expect = IntervalJoin(
    left=Side("orders", "order", "order_date", _unmatched_order),
    right=Side("payments", "payment", "payment_date", _unmatched_payment),
    refers="order_id",
    matches=FACTS.name,
    leftovers=LEFTOVERS.name,
    document=_fact,
    within="match_window_seconds",
).expect
