"""What the driver writes of a small batch is what Spark's tasks write: byte for byte, for every type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from kafka import KafkaConsumer, TopicPartition
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.job_config import KafkaConfig, MongoConfig
from tandem.engine.spark.dates import is_old
from tandem.engine.write.dead_letters import DeadLetters
from tandem.engine.write.driver_rows import DriverRows, local_rows
from tandem.engine.write.mongo_sink import SmallWriter, write_documents
from tandem.pipelines.orders_payments.transform import PIPELINE
from tests.environment import Environment
from tests.spark.conftest import spark as spark
from tests.spark.records import ARRIVED, job_config, kafka_rows

TYPES = (
    "_id string, text string, whole int, long bigint, real double, single float, yes boolean, at timestamp, "
    "amount decimal(20, 4), raw binary, list array<string>, nested struct<text: string, long: bigint, at: timestamp>, "
    "lists array<struct<long: bigint, texts: array<string>>>, map map<string, bigint>"
)
OLD, NEW = datetime(1582, 10, 10, tzinfo=UTC), datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
NOTHING = (None,) * 13
# Each as if it were all of a batch: one old date changes how the whole batch is written.
BATCHES = {
    "ordinary": [
        (
            *("1", "plain", 5, 5, 5.0, 0.1, True, NEW, Decimal("12.3400"), bytearray(b"\x00\xff"), ["a"]),
            *({"text": "x", "long": 1, "at": NEW}, [{"long": 1, "texts": ["y", None]}], {"a": 1}),
        ),
        (
            *("2", '{"$date": 1}', -(2**31), 2**63 - 1, float("nan"), float("inf"), False, NEW, Decimal("-0.0001")),
            *(bytearray(), [], {"text": "null", "long": None, "at": None}, [], {}),
        ),
        (
            *("3", "žluť 🐎\u2028\x01", 0, -(2**63), -0.0, -0.0, None, NEW, Decimal("9999999999999999.9999")),
            *(None, ["$set", '"', "\\"], {"text": None, "long": 2**40, "at": NEW}, None, {"$numberLong": 1, "a.b": 2}),
        ),
        ("4", *NOTHING),
    ],
    "old": [
        (
            *("5", "5", 5, 5, 5.0, 0.1, True, OLD, Decimal("1.0000"), bytearray(b"x"), ["[1]"]),
            *({"text": "5", "long": 1, "at": OLD}, [{"long": 1, "texts": ["5"]}], {"5": 5}),
        ),
    ],
    "of one type": [("6", "text", *NOTHING[1:])],
}
# Without anything inside of which there are dates.
FLAT = [name.split()[0] for name in TYPES.split(", ")[:9]]


@pytest.fixture
def database(running: Environment) -> Iterator[Any]:
    with running.database() as database:
        yield database.client["small_batches"]
        database.client.drop_database("small_batches")


@pytest.mark.parametrize("columns", [["*"], FLAT], ids=["all types", "flat"])
@pytest.mark.parametrize("rows", BATCHES.values(), ids=BATCHES)
def test_the_driver_stores_what_tasks_store(
    spark: SparkSession, running: Environment, database: Any, rows: list[tuple[Any, ...]], columns: list[str]
) -> None:
    uri = f"mongodb://127.0.0.1:{running.first_port + 2}/?directConnection=true"
    config = replace(job_config("any"), mongo=MongoConfig(uri=uri, database="small_batches"))
    batch = spark.createDataFrame(rows, TYPES).select(*columns)
    old = bool(batch.where(is_old(batch)).count())
    write_documents(batch, "tasks", config, few=True, old=old)
    in_driver = DriverRows(batch)
    assert in_driver.collect(batch) == len(rows)
    evaluated(in_driver.declared, in_driver)
    written = SmallWriter(in_driver, in_driver.declared, "driver", config).write(old=old)
    assert written.count() == len(rows)
    by_tasks, by_driver = (stored(database, name) for name in ("tasks", "driver"))
    assert by_driver == by_tasks
    assert len(by_driver) == len(rows)


def evaluated(query: DataFrame, rows: DriverRows) -> None:
    assert local_rows(rows.evaluated(query)) is not None, "the driver must write these rows by itself"


def stored(database: Any, collection: str) -> dict[str, bytes]:
    options = database.codec_options.with_options(document_class=RawBSONDocument)
    found = database.get_collection(collection, codec_options=options).find()
    return {document["_id"]: document.raw for document in found}


def test_a_query_sees_the_rows_of_the_newest_batch(spark: SparkSession) -> None:
    first, second = (spark.createDataFrame([(each,)], "a bigint") for each in (1, 2))
    rows = DriverRows(first)
    doubled = rows.declared.where("a > 0").select((F.col("a") * 2).alias("b"))
    answers = []
    for batch in (first, second):
        rows.collect(batch)
        answers.append(rows.evaluated(doubled).collect()[0]["b"])
    assert answers == [2, 4]


def test_what_takes_a_job_is_left_to_spark(spark: SparkSession) -> None:
    batch = spark.createDataFrame([(1, date(2026, 1, 1)), (1, None)], "a bigint, day date")
    rows = DriverRows(batch)
    rows.collect(batch)
    grouped = rows.evaluated(rows.declared.groupBy("a").count())
    assert local_rows(grouped) is None
    assert [tuple(row) for row in grouped.collect()] == [(1, 2)]


def test_the_driver_appends_the_same_dead_letters(spark: SparkSession, running: Environment) -> None:
    config = replace(job_config("orders_payments"), kafka=KafkaConfig(bootstrap=running.bootstrap))
    letters = DeadLetters(spark, PIPELINE, config)
    records = kafka_rows(spark, PIPELINE.streams[0].topic, [b"{", b"", None, (b"key", "ž".encode("utf-16"))])
    rejected = records.selectExpr("false AS is_control", "*")
    rows = DriverRows(rejected)
    rows.collect(rejected)
    made = rows.evaluated(letters.made_of(rows.declared))
    evaluated(letters.made_of(rows.declared), rows)
    partition = TopicPartition(PIPELINE.dead_letter_topic, 0)
    with KafkaConsumer(bootstrap_servers=running.bootstrap, auto_offset_reset="earliest") as consumer:
        partitions = [
            TopicPartition(partition.topic, each) for each in consumer.partitions_for_topic(partition.topic) or ()
        ]
        consumer.assign(partitions)
        answers = []
        for written in (letters.made_of(rejected.cache()), made):
            before = consumer.end_offsets(partitions)
            letters.append(written, planned_ms=None)
            answers.append(read(consumer, before))
    assert answers[0] == answers[1]
    assert len(answers[1]) == 4
    assert {headers["source_timestamp"] for _, _, headers in answers[1]} == {
        str(round(ARRIVED.timestamp() * 1000)).encode()
    }


def read(consumer: KafkaConsumer, since: dict[TopicPartition, int]) -> list[tuple[bytes, bytes, dict[str, bytes]]]:
    """Returns the records that were appended, in the order of their keys."""
    ends = consumer.end_offsets(list(since))
    for partition, offset in since.items():
        consumer.seek(partition, offset)
    found: list[Any] = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        found += [record for records in consumer.poll(timeout_ms=500).values() for record in records]
    return sorted(((record.key, record.value, dict(record.headers)) for record in found), key=lambda each: each[0])
