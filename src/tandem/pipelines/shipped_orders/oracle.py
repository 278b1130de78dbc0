"""Computes the expected documents without Spark, for ``tandem verify``."""

from __future__ import annotations

from decimal import Decimal

from bson.decimal128 import Decimal128

from tandem.pipelines.shipped_orders.streams import ORDERS, SHIPMENTS, SHIPPED, UNSHIPPED
from tandem.testing import MATCHED, UNMATCHED, Document, Fields, IntervalJoin, Side, stored

OUTCOMES = (MATCHED, UNMATCHED)


def _shipped(order: Fields, shipment: Fields) -> Document:
    total = sum((item["price"] * item["count"] for item in order["items"]), Decimal("0.00"))
    return {**stored(ORDERS, order), **stored(SHIPMENTS, shipment), "total": Decimal128(total)}


def _unshipped_order(order: Fields) -> Document:
    return {**stored(ORDERS, order), "kind": "order"}


def _unknown_shipment(shipment: Fields) -> Document:
    return {**stored(SHIPMENTS, shipment), "kind": "shipment"}


expect = IntervalJoin(
    left=Side("orders", "order", "ordered_at", _unshipped_order),
    right=Side("shipments", "shipment", "shipped_at", _unknown_shipment),
    refers="order_id",
    matches=SHIPPED.name,
    leftovers=UNSHIPPED.name,
    document=_shipped,
    within="ship_within_seconds",
).expect
