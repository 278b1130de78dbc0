"""Dates on their way to MongoDB and back: the same for every date that the contract accepts, in every zone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from bson import json_util
from bson.codec_options import DatetimeConversion
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from tandem.engine.spark.dates import as_json, as_stored, from_stored, is_old, may_change
from tests.foreign import milliseconds

# What the Julian calendar has and the Gregorian has not, and the other way round; offsets to the second; the far ends.
DATES = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "1500-03-10T12:00:00Z",
    "1582-10-10T00:00:00.123Z",
    "1883-11-18T17:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "2026-11-22T12:00:00Z",
    "9999-12-31T23:59:59.999-14:00",
)
TEXTS = ("plain", '{"$date": 1}', "[1]", '"', "\\", "5", "null", "%s", "žluť 🐎\u2028\x01", "]")
_OPTIONS = json_util.JSONOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)


@pytest.fixture(params=["UTC", "America/New_York"])
def zone(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[None]:
    java: Any = spark._jvm.java.util.TimeZone  # type: ignore[union-attr]
    before = java.getDefault()
    java.setDefault(java.getTimeZone(request.param))
    yield
    java.setDefault(before)


def parsed(text: str) -> Any:
    """Returns what the connector makes of a string where it parses all of them."""
    value = json_util.loads(text, json_options=_OPTIONS)
    return int(value) if hasattr(value, "as_datetime") else value


def dated(spark: SparkSession, *texts: str) -> DataFrame:
    return spark.createDataFrame([(text,) for text in texts], "text string").select(
        F.col("text"), F.col("text").cast("timestamp").alias("at")
    )


@pytest.mark.usefixtures("zone")
def test_a_date_is_written_as_it_is(spark: SparkSession) -> None:
    written = as_json(dated(spark, *DATES)).collect()
    assert [parsed(row["at"]) for row in written] == [milliseconds(text) for text in DATES]


@pytest.mark.usefixtures("zone")
def test_a_date_is_read_as_it_was_written(spark: SparkSession) -> None:
    schema = dated(spark, *DATES).schema
    kept = spark.createDataFrame([(text, milliseconds(text)) for text in DATES], as_stored(schema))  # type: ignore[arg-type]
    read = from_stored(kept, schema)
    assert read.schema == schema
    assert [row[0] for row in read.select(F.unix_millis("at")).collect()] == [milliseconds(text) for text in DATES]


def test_a_string_stays_one_whatever_it_looks_like(spark: SparkSession) -> None:
    written = as_json(spark.createDataFrame([(text,) for text in (*TEXTS, None)], "`odd``name` string"))
    assert written.columns == ["odd`name"]
    found = [row[0] for row in written.collect()]
    assert found.pop() is None
    assert [json.loads(text) for text in found] == list(TEXTS)


def test_what_is_inside_of_something_is_written_and_read_too(spark: SparkSession) -> None:
    schema = "days array<date>, named map<string, timestamp>, deep struct<`it's`: array<struct<at: timestamp, n: int>>>"
    old = "TIMESTAMP '1500-03-10 00:00:00Z'"
    documents = spark.sql(
        f"SELECT array(DATE '1500-03-10', null) AS days, map('a', {old}) AS named, "
        f"named_struct('it\\'s', array(named_struct('at', {old}, 'n', 7))) AS deep"
    )
    assert may_change(documents)
    row = as_json(documents).collect()[0]
    ms = milliseconds("1500-03-10T00:00:00Z")
    assert [parsed(row["days"][0]), row["days"][1]] == [ms, None]
    assert parsed(row["named"]["a"]) == ms
    inner = row["deep"]["it's"][0]
    assert (parsed(inner["at"]), inner["n"]) == (ms, 7)

    kind = StructType.fromDDL(schema)
    kept = spark.createDataFrame([([ms, None], {"a": ms}, ([(ms, 7)],))], as_stored(kind))  # type: ignore[arg-type]
    read = from_stored(kept, kind)  # type: ignore[arg-type]
    again = read.selectExpr("days[0]", "unix_millis(named['a'])", "unix_millis(deep.`it's`[0].at)").collect()[0]
    assert tuple(again) == (date(1500, 3, 10), ms, ms)


@pytest.mark.parametrize(("text", "changes"), [("1900-12-31T23:59:59Z", True), ("1901-01-01T00:00:00Z", False)])
def test_old_dates_alone_need_care(spark: SparkSession, text: str, changes: bool) -> None:
    assert may_change(dated(spark, "2026-01-01T00:00:00Z", text)) is changes
    assert not may_change(spark.createDataFrame([("a", 1)], "_id string, amount long"))


DAYS = ("1900-12-31", "1901-01-01")
OLD_PLACES = (
    "DATE '{day}'",
    "array(null, TIMESTAMP '{day} 00:00:00Z')",
    "map('a', DATE '{day}')",
    "map(TIMESTAMP '{day} 00:00:00Z', 1)",
    "named_struct('n', 1, 'a.`b', named_struct('at', TIMESTAMP '{day} 00:00:00Z'))",
    "array(named_struct('named', map('a', array(array(TIMESTAMP '{day} 00:00:00Z')))))",
)


def is_old_in(rows: DataFrame) -> bool:
    return bool(rows.select(is_old(rows)).collect()[0][0])


def test_rows_are_old_wherever_an_old_date_is(spark: SparkSession) -> None:
    """A transform may take a date out of anything, and make a flat document of it."""
    for place in OLD_PLACES:
        rows = spark.sql("SELECT 1 AS n" + "".join(f", {place.format(day=day)} AS `{day}`" for day in DAYS))
        assert is_old_in(rows) is True, place
        assert is_old_in(rows.drop("1900-12-31")) is False, place
        assert is_old_in(rows.select(F.when(F.col("n") == 2, F.col("`1900-12-31`")).alias("absent"))) is False, place


def test_what_is_set_aside_is_not_old(spark: SparkSession) -> None:
    old = "named_struct('timestamp', TIMESTAMP '1500-03-10 00:00:00Z')"
    assert is_old_in(spark.sql(f"SELECT TIMESTAMP '1999-01-01' AS at, {old} AS other"))
    assert not is_old_in(spark.sql(f"SELECT TIMESTAMP '1999-01-01' AS at, {old} AS _aside"))
    assert not is_old_in(spark.sql(f"SELECT 1 AS n, {old} AS _aside"))
