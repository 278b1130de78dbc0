"""What MongoDB must hold after given events, computed without Spark for ``tandem verify``."""

from __future__ import annotations

from tandem.scaffold.example.streams import ANSWERED, UNANSWERED
from tandem.testing import MATCHED, UNMATCHED, Document, Fields, IntervalJoin, Side, date

# The outcomes of events, besides waiting and late.
OUTCOMES = (MATCHED, UNMATCHED)


def _answer(request: Fields, response: Fields) -> Document:
    requested_at, responded_at = date(request["requested_at"]), date(response["responded_at"])
    return {
        "request_id": request["request_id"],
        "response_id": response["response_id"],
        "service": request["service"],
        "status": response["status"],
        "requested_at": requested_at,
        "responded_at": responded_at,
        "duration_ms": int(responded_at) - int(requested_at),
    }


def _unanswered_request(request: Fields) -> Document:
    return {**request, "requested_at": date(request["requested_at"]), "kind": "request"}


def _unasked_response(response: Fields) -> Document:
    return {**response, "responded_at": date(response["responded_at"]), "kind": "response"}


expect = IntervalJoin(
    left=Side("requests", "request", "requested_at", _unanswered_request),
    right=Side("responses", "response", "responded_at", _unasked_response),
    refers="request_id",
    matches=ANSWERED.name,
    leftovers=UNANSWERED.name,
    document=_answer,
    within="timeout_seconds",
).expect
