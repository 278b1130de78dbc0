"""Generates orders and their payments.

Tandem adds repeated, late, reordered and malformed records.
"""

from collections.abc import Iterator
from random import Random

from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.testing import ODD_AMOUNTS, ODD_ENDINGS, Event, Moment, MomentKind

_EARLY_MS = 25 * 60_000
_PAYMENT_MS = 4 * 60_000
_OUTSIDE_WINDOW_MS = 40 * 60_000
_SEVERAL_SHARE = 0.03


def events(moment: Moment) -> Iterator[Event]:
    """Yields an order and its payments.

    Every stream's producer calls this for the same moments.
    """
    chance, time_ms = moment.chance, moment.time_ms
    order_id = f"o-{moment.id}{_ending(chance)}"
    amount = chance.choice(ODD_AMOUNTS) if chance.random() < 0.002 else chance.randint(1, 100_000)
    order_is_late = chance.random() < 0.5
    order = {
        "order_id": order_id,
        "order_date": time_ms,
        "created_at": time_ms + chance.randrange(1000),
        "customer_id": f"customer-{chance.randrange(5000)}",
        "amount": amount,
    }
    yield Event(ORDERS, order, key=order_id, late=order_is_late)

    reach_ms = moment.scaled(_PAYMENT_MS)
    after_ms = chance.randrange(reach_ms)
    if moment.kind is MomentKind.EARLY:
        after_ms = -1 - chance.randrange(moment.scaled(_EARLY_MS) - 1)
    if moment.kind is MomentKind.UNMATCHED:
        # Every fourth unmatched payment, if possible, names an existing order but is dated outside the match window.
        if moment.followed and chance.random() < 0.25:
            after_ms += _OUTSIDE_WINDOW_MS
        else:
            order_id = f"o-{moment.id}-none"
    several = moment.kind in (MomentKind.VALID, MomentKind.LATE) and chance.random() < _SEVERAL_SHARE
    for number in range(chance.randint(2, 4) if several else 1):
        paid_ms = time_ms + ((after_ms + number * reach_ms // 4) % reach_ms if number else after_ms)
        payment = {
            "payment_id": f"p-{moment.id}-{number}{_ending(chance)}",
            "order_id": order_id,
            "payment_date": paid_ms,
            "created_at": paid_ms + chance.randrange(1000),
            "amount": amount,
        }
        yield Event(PAYMENTS, payment, key=order_id, late=not order_is_late and number == 0)


def _ending(chance: Random) -> str:
    """Returns the ending of an id, which rarely has unusual characters.

    They could break an ``_id`` or a JSON text.
    """
    return chance.choice(ODD_ENDINGS) if chance.random() < 0.005 else ""
