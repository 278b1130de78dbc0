"""What the connector makes of typed events is what ``verify`` expects of MongoDB, in types and in what is absent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bson import json_util
from bson.codec_options import DatetimeConversion
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.kind import Kind
from tandem.engine.read.document_id import document_id
from tandem.engine.read.parse import parse
from tandem.engine.spark.dates import as_json, has_days_or_nested
from tandem.pipeline import FieldType, Stream
from tandem.testing import document_id as expected_id
from tandem.testing import stored
from tandem.verify.reference import Accepted
from tests.parts import differences
from tests.spark.answers import SKEW, reference_answers
from tests.spark.records import kafka_rows

FIELDS: dict[str, Kind] = {
    "id": FieldType.STRING,
    "at": FieldType.TIMESTAMP,
    "small": FieldType.INTEGER_32,
    "large": FieldType.INTEGER,
    "flag": FieldType.BOOLEAN,
    "ratio": FieldType.DOUBLE,
    "price": FieldType.decimal(34, 4),
    "raw": FieldType.BYTES,
    "status": FieldType.enum("new", '{"$date": 1}'),
    "coupon": FieldType.TEXT.optional(),
}
NESTED: dict[str, Kind] = {
    "day": FieldType.DATE,
    "inner": FieldType.record(
        {"$x.y": FieldType.STRING.optional(), "at": FieldType.EPOCH_SECONDS.optional()}
    ).optional(),
    "items": FieldType.array(FieldType.record({"price": FieldType.decimal(5, 2), "raw": FieldType.BYTES.optional()})),
    "days": FieldType.map(FieldType.DATE),
    "prices": FieldType.map(FieldType.decimal(5, 2)).default({}),
}
FLAT = Stream("s", "s", FIELDS, event_time="at", identity="id")
RICH = Stream("s", "s", {**FIELDS, **NESTED}, event_time="at", identity=("id", "large", "flag", "price", "day"))
ONE: dict[str, Any] = {
    "id": "a|b",
    "at": "2026-11-22T11:00:00.123456Z",
    "small": -1,
    "large": 2**63 - 1,
    "flag": True,
    "ratio": -0.0,
    "price": "123456789012345678901234567890.1234",
    "raw": "/wA=",
    "status": '{"$date": 1}',
    "coupon": "",
    "day": "1500-03-10",
    "inner": {"$x.y": None},
    "items": [{"price": 1.5}, {"price": 0, "raw": ""}],
    "days": {"a.b": "0001-01-01", "$c": "9999-12-31", "": "2026-01-01"},
}
OTHER: dict[str, Any] = {
    **ONE,
    "id": "c",
    "small": 5,
    "ratio": 5,
    "price": 0,
    "coupon": None,
    "flag": False,
    "items": [],
    "days": {},
    "inner": {"$x.y": "[1]", "at": -1},
    "prices": {"x": "-0.00", "y": 999.99},
}
THIRD = {name: value for name, value in OTHER.items() if name not in ("inner", "coupon", "prices")} | {"id": "d"}
_OPTIONS = json_util.JSONOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)


def written(spark: SparkSession, documents: DataFrame, *, as_text: bool) -> list[dict[str, Any]]:
    """Returns what the connector would send of the documents, by its own conversion."""
    java: Any = spark._jvm.com.mongodb.spark.sql.connector  # type: ignore[union-attr]
    rows = (as_json(documents) if as_text else documents)._jdf
    form = getattr(java.config, "WriteConfig$ConvertJson")
    converter = java.schema.RowToBsonDocumentConverter(rows.schema(), form.ANY if as_text else form.FALSE, True)
    texts = [converter.fromRow(row).toJson() for row in rows.collectAsList()]
    return [json_util.loads(text, json_options=_OPTIONS) for text in texts]


@pytest.mark.parametrize(("stream", "as_text"), [(FLAT, False), (FLAT, True), (RICH, True)])
def test_documents_are_as_expected(spark: SparkSession, stream: Stream, as_text: bool) -> None:
    values = [json.dumps(each).encode() for each in (ONE, OTHER, THIRD)]
    events = parse(kafka_rows(spark, stream.topic, list(values)), stream, max_clock_skew_seconds=SKEW)
    identity = document_id("id", "large", "flag", "price").alias("_id")
    documents = events.select(identity, *(F.col(name) for name in stream.fields))
    assert has_days_or_nested(documents) is (stream is RICH)
    expected: dict[str, Any] = {}
    for answer in reference_answers(stream, list(values)):
        assert isinstance(answer, Accepted), answer
        fields = answer.fields
        found = expected_id(*(fields[name] for name in ("id", "large", "flag", "price")))
        expected[found] = {"_id": found, **stored(stream, fields)}
    made = written(spark, documents, as_text=as_text)
    assert not differences(made, expected), (made, expected)
    assert {type(each["small"]) for each in made} == {int}
