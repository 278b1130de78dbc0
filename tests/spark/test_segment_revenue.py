"""Revenue by segment, streamed as the engine does it, against the oracle."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.control_record import CONTROL_KEY, control_value
from tandem.engine.read.kafka_source import CONTROL, EVENTS, REJECTED, streamed
from tandem.engine.read.parse import ASIDE, IS_CONTROL, parse
from tandem.pipelines.segment_revenue.oracle import expect
from tandem.pipelines.segment_revenue.streams import CUSTOMER_SEGMENTS, REVENUE, SALES
from tandem.pipelines.segment_revenue.transform import PIPELINE, minutes, transform
from tandem.verify.intake import Intake
from tandem.verify.topics import TopicRecord
from tests.spark.records import ARRIVED, SCHEMA, job_config, kafka_rows
from tests.stored import Stored

T0 = ARRIVED - timedelta(hours=6)
T0_MS = int(T0.timestamp() * 1000)
Item = bytes | tuple[bytes | None, bytes | None]
CONFIG = job_config("segment_revenue", window_seconds=60)


def sale(identity: str, second: float, amount: int = 1, customer: str = "c") -> bytes:
    time = (T0 + timedelta(seconds=second)).isoformat()
    return json.dumps({"sale_id": identity, "sold_at": time, "customer_id": customer, "amount": amount}).encode()


def control(second: float, sender: str = CONFIG.sender) -> Item:
    return CONTROL_KEY, control_value(sender, T0 + timedelta(seconds=second))


VERSIONS = [
    Row(customer_id="c", segment="gold", valid_from=T0 - timedelta(days=1)),
    Row(customer_id="c", segment="a|b", valid_from=T0 + timedelta(seconds=90)),
    Row(customer_id="c", segment="two", valid_from=T0 + timedelta(seconds=200)),
    Row(customer_id="c", segment="one", valid_from=T0 + timedelta(seconds=200)),
    Row(customer_id="d", segment=None, valid_from=T0),
    Row(customer_id="d", segment="", valid_from=T0 + timedelta(seconds=90)),
    Row(customer_id="d", segment="lost", valid_from=None),
    Row(customer_id=None, segment="nobody's", valid_from=T0),
]
LARGEST = 2**63 - 1
BATCHES: list[list[Item]] = [
    [sale("a", 0, 5), sale("a", 0, 5), sale("b", 59.999999, 7), sale("c", 60, LARGEST), b"{", sale("d", 61, LARGEST)],
    # Another job's. If it counted, all later sales would be late.
    [control(1000, "mart/another")],
    # A repeat of an earlier batch, out of order, another version, none, a customer of whom nothing is known.
    [sale("b", 59.999999, 7), sale("e", 10, 11), sale("f", 90, 13), sale("g", 200, 1), sale("h", 5, 1, "d")],
    [sale("i", 95, 1, "d"), sale("j", 7, 1, "nobody"), b"\xff", sale("k", -30, -(2**63))],
]


def as_stream(
    spark: SparkSession, folder: Path, batches: list[list[Item]]
) -> tuple[dict[str, dict[str, Any]], int, list[Any]]:
    """Returns the documents, how many dead letters, and each batch's progress; one micro-batch for each list."""
    for number, batch in enumerate(batches):
        kafka_rows(spark, SALES.topic, batch).coalesce(1).write.parquet(str(folder / "topic" / str(number)))
    files = spark.readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1).option("recursiveFileLookup", "true")
    rows = parse(files.parquet(str(folder / "topic")), SALES, max_clock_skew_seconds=300, sender=CONFIG.sender)
    documents: dict[str, dict[str, Any]] = {}
    dead = 0

    def take(batch: DataFrame, _number: int) -> None:
        nonlocal dead
        rows = batch.persist()
        for document in plain(minutes(rows.where(F.col(ASIDE).isNull()).drop(ASIDE))):
            # Written once, when it is final.
            assert document["_id"] not in documents
            documents[document["_id"]] = document
        dead += rows.where(~F.col(f"{ASIDE}.{IS_CONTROL}")).count()
        rows.unpersist()

    query = (
        streamed(PIPELINE, [rows], {CUSTOMER_SEGMENTS.collection: versions(spark)}, CONFIG)
        .writeStream.foreachBatch(take)
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    return documents, dead, list(query.recentProgress)


def versions(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(VERSIONS, "customer_id string, segment string, valid_from timestamp")


def plain(documents: DataFrame) -> list[dict[str, Any]]:
    """Returns documents as they come from MongoDB."""
    times = {name: F.unix_millis(name).alias(name) for name in ("window_start", "window_end")}
    rows = documents.select(*(times.get(name, F.col(name)) for name in documents.columns)).collect()
    kinds = {"window_start": DatetimeMS, "window_end": DatetimeMS, "revenue": Decimal128}
    return [{name: kinds.get(name, lambda x: x)(value) for name, value in row.asDict().items()} for row in rows]


def expected(batches: list[list[Item]], late: set[str], found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    intake = Intake(SALES, max_clock_skew_seconds=300, sender=None)
    items = [item if isinstance(item, tuple) else (None, item) for batch in batches for item in batch]
    arrived = int(ARRIVED.timestamp() * 1000)
    intake.take(TopicRecord(0, offset, arrived, key, value, []) for offset, (key, value) in enumerate(items))
    told = [{**row.asDict(), "valid_from": DatetimeMS(row.valid_from) if row.valid_from else None} for row in VERSIONS]
    expectation = expect(
        {"sales": intake.accepted},
        watermark_ms=10**14,
        late={("sales", each) for each in late},
        observed=Stored(**{REVENUE.name: list(found.values()), CUSTOMER_SEGMENTS.collection: told}),
        window_seconds=60,
    )
    return expectation.documents[REVENUE.name]


def test_the_stream_makes_what_the_oracle_says(spark: SparkSession, tmp_path: Path) -> None:
    batches = [*BATCHES, [control(1000)]]
    documents, dead, progress = as_stream(spark, tmp_path, batches)
    assert documents == expected(batches, set(), documents)
    start = T0_MS // 1000
    assert documents[f"{start + 60}|gold"]["revenue"] == Decimal128(str(2 * LARGEST))
    assert set(documents) == {
        *(
            f"{start + second}|{segment}"
            for second, segment in ((0, "gold"), (60, "gold"), (60, "a\\|b"), (180, "two"))
        ),
        *(f"{start + second}|{segment}" for second, segment in ((-60, "gold"), (0, "unknown"), (60, "unknown"))),
    }
    assert dead == 2
    observed = [p.observedMetrics["sales"] for p in progress if "sales" in p.observedMetrics]
    counts = {name: sum(row[name] for row in observed) for name in (EVENTS, CONTROL, REJECTED)}
    assert counts == {EVENTS: 13, CONTROL: 2, REJECTED: dead}


def test_a_batch_makes_the_same(spark: SparkSession, tmp_path: Path) -> None:
    documents, _, _ = as_stream(spark, tmp_path, [*BATCHES, [control(1000)]])
    rows = parse(kafka_rows(spark, SALES.topic, [i for b in BATCHES for i in b]), SALES, max_clock_skew_seconds=300)
    events = rows.where(F.col(ASIDE).isNull()).drop(ASIDE)
    batch = plain(minutes(transform(events, customer_segments=versions(spark), window_seconds=60)))
    assert {document["_id"]: document for document in batch} == documents


def test_a_late_sale_changes_no_minute_and_each_is_counted(spark: SparkSession, tmp_path: Path) -> None:
    late = [sale("late-1", 30, 1000), sale("late-1", 30, 1000), sale("late-2", 31, 2000), sale("late-3", 700, 3)]
    batches = [
        [sale("a", 30, 5)],
        [control(1000)],
        [sale("on-time", 710, 1)],
        [*late, sale("a", 30, 5)],
        [control(2000)],
    ]
    documents, _, progress = as_stream(spark, tmp_path, batches)
    assert sum(int(o.numRowsDroppedByWatermark) for p in progress for o in p.stateOperators) == 5
    start = T0_MS // 1000
    assert {d["_id"]: (d["sales"], str(d["revenue"])) for d in documents.values()} == {
        f"{start}|gold": (1, "5"),
        f"{start + 660}|two": (1, "1"),
    }
    assert documents == expected(batches, {"late-1", "late-2", "late-3"}, documents)


def test_a_window_is_not_written_before_its_end(spark: SparkSession, tmp_path: Path) -> None:
    documents, _, _ = as_stream(spark, tmp_path, [[sale("a", 0)], [control(359.999)]])
    assert documents == {}


@pytest.mark.parametrize("second", [360, 360.001])
def test_a_window_is_written_at_its_end(spark: SparkSession, tmp_path: Path, second: float) -> None:
    documents, _, _ = as_stream(spark, tmp_path, [[sale("a", 0)], [control(second)]])
    assert [document["sales"] for document in documents.values()] == [1]


def test_the_times_of_the_test_are_what_they_seem() -> None:
    assert datetime.fromtimestamp(T0_MS / 1000, UTC) == T0
    assert T0_MS % 60_000 == 0
