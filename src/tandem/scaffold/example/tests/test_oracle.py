"""What `tandem verify` will expect, tried with a few events. No Spark, no Kafka: it takes a second."""

from __future__ import annotations

from typing import Any

from tandem.scaffold.example.oracle import expect
from tandem.scaffold.example.streams import ANSWERED, UNANSWERED
from tandem.verify.interval import Expectation

SECOND = 1_000_000


def request(identity: str, at: int) -> dict[str, Any]:
    return {"request_id": identity, "service": "search", "requested_at": at * SECOND}


def response(identity: str, of: str, at: int) -> dict[str, Any]:
    return {"response_id": identity, "request_id": of, "status": 200, "responded_at": at * SECOND}


def expected(requests: list[dict[str, Any]], responses: list[dict[str, Any]], watermark: int) -> Expectation:
    accepted = {
        "requests": {each["request_id"]: each for each in requests},
        "responses": {each["response_id"]: each for each in responses},
    }
    return expect(
        accepted,
        watermark_ms=watermark * 1000,
        late=set(),
        observed={ANSWERED: set(), UNANSWERED: set()},
        timeout_seconds=600,
    )


def test_a_response_in_time_is_an_answer() -> None:
    found = expected([request("a", 0)], [response("r", "a", 600)], watermark=0).documents
    assert found[ANSWERED]["a|r"]["duration_ms"] == 600_000
    assert found[UNANSWERED] == {}


def test_what_found_no_partner_is_written_when_none_can_come() -> None:
    requests, responses = [request("a", 0)], [response("late", "a", 601), response("r", "nobody", 0)]
    assert expected(requests, responses, watermark=500).documents == {ANSWERED: {}, UNANSWERED: {}}
    found = expected(requests, responses, watermark=5000)
    assert set(found.documents[UNANSWERED]) == {"request|a", "response|late", "response|r"}
    assert set(found.outcome.values()) == {"unmatched"}
