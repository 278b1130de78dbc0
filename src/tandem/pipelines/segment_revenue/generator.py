"""Generates sales, and versions of the customers' segments."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from tandem.pipelines.segment_revenue.streams import CUSTOMER_SEGMENTS, SALES
from tandem.testing import ODD_AMOUNTS, Event, Moment, MomentKind, Plan

_CUSTOMERS = 200
_SEGMENTS = ("business", "consumer", "partner", "a|b\\c")


def events(moment: Moment) -> Iterator[Event]:
    """Yields a sale."""
    chance = moment.chance
    amount = chance.choice(ODD_AMOUNTS) if chance.random() < 0.002 else chance.randrange(1, 100_000)
    # An unmatched sale belongs to a customer without a segment.
    customer = "nobody" if moment.kind is MomentKind.UNMATCHED else f"customer-{chance.randrange(_CUSTOMERS)}"
    # An early sale is dated before its moment, as by a slow clock.
    before_ms = moment.scaled(chance.randrange(1, 120_000)) if moment.kind is MomentKind.EARLY else 0
    fields = {
        "sale_id": f"sale-{moment.id}",
        "sold_at": moment.time_ms - before_ms,
        "customer_id": customer,
        "amount": amount,
    }
    yield Event(SALES, fields, key=customer, late=True)


def customer_segments(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yields the versions of the customers' segments.

    Each is valid from the plan's begin or from the middle of its span. None is dated before the plan's first sale, so
    that earlier sales keep their segments.
    """
    for number in range(_CUSTOMERS):
        # Some customers never have a segment.
        if number % 20:
            yield _version(number, plan.start_ms)
        if number % 3 == 0:
            yield _version(number, plan.start_ms + plan.span_ms // 2)


def _version(number: int, valid_from_ms: int) -> dict[str, Any]:
    """Returns a version; the same customer and time always give the same one."""
    identity = f"customer-{number}|{valid_from_ms}"
    return {
        "_id": identity,
        "customer_id": f"customer-{number}",
        "segment": _SEGMENTS[blake2b(identity.encode(), digest_size=1).digest()[0] % len(_SEGMENTS)],
        "valid_from": datetime.fromtimestamp(valid_from_ms / 1000, UTC),
    }


LOOKUPS = {CUSTOMER_SEGMENTS.collection: customer_segments}
