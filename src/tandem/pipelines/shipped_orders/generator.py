"""Generates orders with items, and their shipments.

Tandem adds repeated, late, reordered and malformed records.
"""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from tandem.pipelines.shipped_orders.streams import ORDERS, SHIPMENTS
from tandem.testing import Event, Moment, MomentKind

_SHIPPED_MS = 4 * 60_000


def events(moment: Moment) -> Iterator[Event]:
    """Yields an order and its shipment.

    Every stream's producer calls this for the same moments.
    """
    chance, kind = moment.chance, moment.kind
    order_id = f"order-{moment.id}"
    order = {
        "order_id": order_id,
        "ordered_at": moment.time_ms,
        "items": [_item(chance) for _ in range(chance.randrange(5))],
        # None leaves the field out.
        "coupon": chance.choice((None, None, "WELCOME")),
    }
    yield Event(ORDERS, order, key=order_id)
    if kind is MomentKind.UNMATCHED and chance.random() < 0.5:
        return
    after_ms = moment.scaled(chance.randrange(_SHIPPED_MS))
    shipment = {
        "shipment_id": f"shipment-{moment.id}",
        "order_id": f"{order_id}-unknown" if kind is MomentKind.UNMATCHED else order_id,
        # An early shipment is dated before its order, as by a slow clock.
        "shipped_at": moment.time_ms + (-after_ms if kind is MomentKind.EARLY else after_ms),
        "carrier": chance.choice(("post", "courier")),
        "insured": chance.choice((None, False, True)),
    }
    yield Event(SHIPMENTS, shipment, key=order_id, late=True)


def _item(chance: Random) -> dict[str, Any]:
    """Returns an item.

    Few prices are the largest possible one.
    """
    cents = 999_999_999_999 if chance.random() < 0.002 else chance.randrange(20_000)
    return {"sku": f"sku-{chance.randrange(500)}", "price": Decimal(cents).scaleb(-2), "count": chance.randrange(1, 4)}
