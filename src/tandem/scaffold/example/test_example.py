"""Tests the transform with a small Spark, and the expected documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from tandem.scaffold.example.oracle import expect
from tandem.scaffold.example.streams import ANSWERED, UNANSWERED
from tandem.scaffold.example.transform import answered, transform, unanswered
from tandem.testing import Expectation

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = 1_000_000


def joined(spark: SparkSession, response_after: timedelta) -> DataFrame:
    requests = spark.createDataFrame(
        [Row(request_id="a", service="search", requested_at=NOON)],
        "request_id string, service string, requested_at timestamp",
    )
    responses = spark.createDataFrame(
        [Row(response_id="r", request_id="a", status=200, responded_at=NOON + response_after)],
        "response_id string, request_id string, status bigint, responded_at timestamp",
    )
    return transform(requests, responses, timeout_seconds=600)


def test_spark_makes_an_answer_of_a_response_in_time(spark: SparkSession) -> None:
    rows = joined(spark, timedelta(seconds=90))
    assert [(row["_id"], row["duration_ms"]) for row in answered(rows).collect()] == [("a|r", 90_000)]
    assert unanswered(rows).count() == 0


def test_spark_makes_none_of_a_response_after_the_timeout(spark: SparkSession) -> None:
    rows = joined(spark, timedelta(seconds=601))
    assert answered(rows).count() == 0
    assert {row["_id"] for row in unanswered(rows).collect()} == {"request|a", "response|r"}


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
        observed={ANSWERED.name: set(), UNANSWERED.name: set()},
        timeout_seconds=600,
    )


def test_an_answer_is_expected_of_a_response_in_time() -> None:
    found = expected([request("a", 0)], [response("r", "a", 600)], watermark=0).documents
    assert found[ANSWERED.name]["a|r"]["duration_ms"] == 600_000
    assert found[UNANSWERED.name] == {}


def test_unmatched_events_are_expected_when_no_partner_can_come() -> None:
    requests, responses = [request("a", 0)], [response("late", "a", 601), response("r", "nobody", 0)]
    assert expected(requests, responses, watermark=500).documents == {ANSWERED.name: {}, UNANSWERED.name: {}}
    found = expected(requests, responses, watermark=5000)
    assert set(found.documents[UNANSWERED.name]) == {"request|a", "response|late", "response|r"}
    assert set(found.outcome.values()) == {"unmatched"}
