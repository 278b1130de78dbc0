"""The join's documents, and that a stream and a batch of the same records make the same ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.listener import StreamingQueryProgress
from pyspark.testing import assertDataFrameEqual

from tandem.engine.declare.control_record import CONTROL_KEY, control_value
from tandem.engine.read.kafka_source import streamed
from tandem.engine.read.parse import ASIDE, IS_CONTROL, parse
from tandem.pipeline import Stream
from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.pipelines.orders_payments.transform import PIPELINE, facts, transform, unmatched
from tests.spark.records import ARRIVED, SCHEMA, job_config, kafka_rows

T0 = ARRIVED - timedelta(hours=6)
CONFIG = job_config("orders_payments", match_window_seconds=1800)
Item = bytes | tuple[bytes | None, bytes | None]


def order(order_id: str, minute: float) -> bytes:
    time = (T0 + timedelta(minutes=minute)).isoformat()
    return json.dumps(
        {"order_id": order_id, "order_date": time, "created_at": time, "customer_id": "c", "amount": 7}
    ).encode()


def payment(payment_id: str, order_id: str, minute: float) -> bytes:
    time = (T0 + timedelta(minutes=minute)).isoformat()
    return json.dumps(
        {"payment_id": payment_id, "order_id": order_id, "payment_date": time, "created_at": time, "amount": 7}
    ).encode()


def closing(sender: str = CONFIG.sender) -> Item:
    return CONTROL_KEY, control_value(sender, ARRIVED)


# One list for each batch of the stream: early and late partners, repeats in the same and in a later batch, several
# payments, just in and just out of the window, dead records in between, no partner at all. If another job's control
# records counted, all later events would be late.
ORDER_BATCHES: list[list[Item]] = [
    [order("a", 0), order("a", 0), order("b", 1), b"{", order("x|y", 2), closing("mart/another")],
    [order("b", 1), order("c", 3), order("alone", 4), order("edge", 5), b""],
    [order("late-partner", 6), order("d", 7)],
]
PAYMENT_BATCHES: list[list[Item]] = [
    [payment("p1", "a", 0.5), payment("p2", "c", 1), b"\xff", payment("none", "nobody", 1), closing("mart/another")],
    [payment("p3", "b", 2), payment("p3", "b", 2), payment("p4", "x|y", 3), payment("p1", "a", 0.5)],
    [payment("in", "edge", 35), payment("out", "edge", 35.0001), payment("p5", "a", 9), payment("p6", "d", 7)],
]
CLOSE = [closing()]


def events(records: DataFrame, stream: Stream) -> DataFrame:
    rows = parse(records, stream, max_clock_skew_seconds=300)
    return rows.where(F.col(ASIDE).isNull()).drop(ASIDE)


def documents(joined: DataFrame) -> tuple[set[Row], set[Row]]:
    return set(facts(joined).collect()), set(unmatched(joined).collect())


def as_batch(spark: SparkSession) -> tuple[set[Row], set[Row]]:
    frames = [
        events(kafka_rows(spark, stream.topic, [item for batch in batches for item in batch]), stream)
        for stream, batches in ((ORDERS, ORDER_BATCHES), (PAYMENTS, PAYMENT_BATCHES))
    ]
    return documents(transform(*frames))


def as_stream(
    spark: SparkSession, folder: Path, *, keeps_aside: bool
) -> tuple[set[Row], set[Row], dict[bool, int], StreamingQueryProgress]:
    """Returns facts, unmatched documents, the numbers of dead letters and control records, and the last progress.

    There is one micro-batch for each list.

    With ``keeps_aside`` the transform carries what was set aside, else the engine does.
    """

    def source(stream: Stream, batches: Sequence[list[Item]]) -> DataFrame:
        path = folder / stream.name
        for number, batch in enumerate(batches):
            kafka_rows(spark, stream.topic, batch).coalesce(1).write.mode("append").parquet(f"{path}/{number}")
        files = spark.readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1).option("recursiveFileLookup", "true")
        return parse(files.parquet(str(path)), stream, max_clock_skew_seconds=300, sender=CONFIG.sender)

    found: tuple[set[Row], set[Row]] = (set(), set())
    aside = {False: 0, True: 0}

    def take(batch: DataFrame, _number: int) -> None:
        rows = batch.persist()
        for known, new in zip(found, documents(rows.where(F.col(ASIDE).isNull()).drop(ASIDE)), strict=True):
            known |= new
        for is_control in aside:
            aside[is_control] += rows.where(F.col(f"{ASIDE}.{IS_CONTROL}") == is_control).count()
        rows.unpersist()

    sources = [source(ORDERS, [*ORDER_BATCHES, CLOSE]), source(PAYMENTS, [*PAYMENT_BATCHES, CLOSE])]
    joined = streamed(replace(PIPELINE, keeps_aside=keeps_aside), sources, {}, CONFIG)
    query = (
        joined.writeStream.foreachBatch(take)
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    return (*found, aside, query.recentProgress[-1])


@pytest.mark.parametrize("keeps_aside", [True, False])
def test_stream_and_batch_make_the_same_documents(spark: SparkSession, tmp_path: Path, keeps_aside: bool) -> None:
    streamed_facts, streamed_unmatched, aside, progress = as_stream(spark, tmp_path, keeps_aside=keeps_aside)
    batch_facts, batch_unmatched = as_batch(spark)
    assert streamed_facts == batch_facts
    assert streamed_unmatched == batch_unmatched
    assert aside == {False: 3, True: 4}
    assert [each.numRowsTotal for each in progress.stateOperators] == [0]
    assert {row["_id"] for row in batch_facts} == {"a|p1", "a|p5", "b|p3", "c|p2", "x\\|y|p4", "edge|in", "d|p6"}
    assert {row["_id"] for row in batch_unmatched} == {
        "order|alone",
        "order|late-partner",
        "payment|none",
        "payment|out",
    }


def test_a_facts_document(spark: SparkSession) -> None:
    frames = [
        events(kafka_rows(spark, ORDERS.topic, [order("o|\\", 0)]), ORDERS),
        events(kafka_rows(spark, PAYMENTS.topic, [payment("p", "o|\\", 1)]), PAYMENTS),
    ]
    joined = transform(*frames)
    expected: dict[str, Any] = {
        "_id": "o\\|\\\\|p",
        "order_id": "o|\\",
        "order_date": T0,
        "created_at": T0,
        "customer_id": "c",
        "order_amount": 7,
        "payment_id": "p",
        "payment_date": T0 + timedelta(minutes=1),
        "payment_amount": 7,
    }
    found = facts(joined)
    assertDataFrameEqual(found, spark.createDataFrame([tuple(expected.values())], found.schema))
    assert datetime(2026, 11, 22, 6, tzinfo=UTC) == T0
