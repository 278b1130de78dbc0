"""The transform itself, on a small local Spark: a batch makes what the stream will make."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from tandem.scaffold.example.transform import answered, transform, unanswered

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """A session that sees times as the job does."""
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = (
        builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1").getOrCreate()
    )
    yield session
    session.stop()


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


def test_a_response_in_time_is_an_answer(spark: SparkSession) -> None:
    rows = joined(spark, timedelta(seconds=90))
    assert [(row["_id"], row["duration_ms"]) for row in answered(rows).collect()] == [("a|r", 90_000)]
    assert unanswered(rows).count() == 0


def test_a_response_after_the_timeout_answers_nothing(spark: SparkSession) -> None:
    rows = joined(spark, timedelta(seconds=601))
    assert answered(rows).count() == 0
    assert {row["_id"] for row in unanswered(rows).collect()} == {"request|a", "response|r"}
