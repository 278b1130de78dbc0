"""Computes the expected documents without Spark, for ``tandem verify``."""

from __future__ import annotations

from tandem.scaffold.example.streams import ANSWERED, REQUESTS, RESPONSES, UNANSWERED
from tandem.testing import MATCHED, UNMATCHED, Document, Fields, IntervalJoin, Side, stored

# The outcomes of events, besides waiting and late.
OUTCOMES = (MATCHED, UNMATCHED)


def _answer(request: Fields, response: Fields) -> Document:
    both = {**stored(RESPONSES, response), **stored(REQUESTS, request)}
    return {**both, "duration_ms": int(both["responded_at"]) - int(both["requested_at"])}


def _unanswered_request(request: Fields) -> Document:
    return {**stored(REQUESTS, request), "kind": "request"}


def _unasked_response(response: Fields) -> Document:
    return {**stored(RESPONSES, response), "kind": "response"}


expect = IntervalJoin(
    left=Side("requests", "request", "requested_at", _unanswered_request),
    right=Side("responses", "response", "responded_at", _unasked_response),
    refers="request_id",
    matches=ANSWERED.name,
    leftovers=UNANSWERED.name,
    document=_answer,
    within="timeout_seconds",
).expect
