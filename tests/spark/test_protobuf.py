"""Protobuf through Spark: values, types, dead letters and control records are those of the verification."""

from __future__ import annotations

import json

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.control_record import CONTROL_FIELD, CONTROL_KEY
from tandem.engine.declare.spark_type import columns
from tandem.engine.declare.wire_format import prefix_of
from tandem.engine.read.parse import ASIDE, parse
from tandem.producer.protobuf_encoder import ProtobufRecordEncoder
from tandem.verify.reference import Accepted, Control, Dead
from tests.protobuf import DEAD, HEADER, IDS, NOON_MS, SALE, SALES, SALES_PROTOBUF, TAIL, UNUSUAL, sale
from tests.spark.answers import SENDER, Item, engine_answers, reference_answers, same
from tests.spark.records import kafka_rows

KEY = CONTROL_KEY
CONTROL = json.dumps({CONTROL_FIELD: SENDER, "event_time": "2026-11-22T11:00:00Z"}).encode()


def test_events_and_dead_letters_in_one_batch(spark: SparkSession) -> None:
    encoder = ProtobufRecordEncoder(SALES, SALES_PROTOBUF)
    items: list[Item] = [sale(), *(TAIL + more for more, _ in UNUSUAL.values())]
    items += [encoder.unusual(SALE, choice / 4) for choice in range(4)]
    events = len(items)
    items += [value for value, *_ in DEAD.values()]
    items += [encoder.malformed(SALE, choice / 20)[1] for choice in range(20)]
    items += [sale(at=-62_135_596_800_000, time=253_402_300_799_999), sale(at=NOON_MS + 300_001)]
    found, expected = engine_answers(spark, SALES, items), reference_answers(SALES, items)
    differing = [each for each in zip(items, found, expected, strict=True) if not same(each[1], each[2])]
    assert differing == []
    assert {type(each) for each in found[:events]} == {Accepted}
    assert {type(each) for each in found[events:-2]} == {Dead}
    assert (type(found[-2]), type(found[-1])) == (Accepted, Dead)


def test_columns_have_the_declared_types(spark: SparkSession) -> None:
    rows = parse(kafka_rows(spark, SALES.topic, [sale()]), SALES, max_clock_skew_seconds=300).drop(ASIDE)
    wanted = spark.createDataFrame([], columns(SALES)).schema
    assert {each.name: each.dataType for each in rows.schema} == {each.name: each.dataType for each in wanted}


def test_control_records_have_no_prefix(spark: SparkSession) -> None:
    items: list[Item] = [(KEY, CONTROL), (KEY, sale()), (None, CONTROL), (KEY, HEADER + CONTROL), (KEY, b"{}")]
    found, expected = engine_answers(spark, SALES, items), reference_answers(SALES, items)
    assert all(map(same, found, expected)), (found, expected)
    assert [type(each) for each in found] == [Control, Accepted, Dead, Dead, Dead]


def test_details_say_what_is_wrong(spark: SparkSession) -> None:
    items: list[Item] = [
        prefix_of(9) + b"\x00",
        b"\x01",
        prefix_of(IDS[2]) + b"\x00",
        sale()[:-1],
        DEAD["too many digits after the point"][0],
    ]
    found = [each.detail for each in engine_answers(spark, SALES, items) if isinstance(each, Dead)]
    assert found == [
        "schema id 9: not among the schemas of sales-value; run `tandem schemas pull` and submit the job",
        "the value has no prefix of Confluent's wire format",
        "the value is not shop.Sale",
        "the value is not one message of its schema",
        "items[0].price: not of type decimal(12,2)",
    ]


def test_a_record_is_decoded_once_for_all_columns(spark: SparkSession) -> None:
    rows = parse(kafka_rows(spark, SALES.topic, [sale()]), SALES, max_clock_skew_seconds=300)
    plan = rows.where(F.col("items").isNotNull())._jdf.queryExecution().optimizedPlan().toString()
    assert plan.count("BatchEvalPython") == 1, plan
