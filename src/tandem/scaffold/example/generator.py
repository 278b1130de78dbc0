"""Generates sample records.

Tandem adds repeated, late, reordered and malformed records.
"""

from collections.abc import Iterator

from tandem.scaffold.example.streams import REQUESTS, RESPONSES
from tandem.testing import Event, Moment, MomentKind

_SERVICES = ("search", "cart", "checkout")
_STATUSES = (200, 200, 200, 404, 503)


def events(moment: Moment) -> Iterator[Event]:
    """Yields a request and its response.

    Every stream's producer calls this for the same moments.
    """
    chance = moment.chance
    request_id = f"request-{moment.id}"
    service, status = chance.choice(_SERVICES), chance.choice(_STATUSES)
    took_ms = moment.scaled(chance.randrange(1, 240_000))
    if moment.kind is MomentKind.EARLY:  # dated by a slow clock
        took_ms = -took_ms
    yield Event(
        REQUESTS, {"request_id": request_id, "service": service, "requested_at": moment.time_ms}, key=request_id
    )
    if moment.kind is MomentKind.UNMATCHED and chance.random() < 0.5:
        return
    answers = f"{request_id}-unknown" if moment.kind is MomentKind.UNMATCHED else request_id
    yield Event(
        RESPONSES,
        {
            "response_id": f"response-{moment.id}",
            "request_id": answers,
            "status": status,
            "responded_at": moment.time_ms + took_ms,
        },
        key=answers,
        late=True,
    )
