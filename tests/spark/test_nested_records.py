"""The bench's records of twenty fields: none is rejected, and both ways of parsing read the same values."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tandem.engine.read.parse import ASIDE, parse
from tandem_bench.nested_records import STREAM, kafka_records
from tandem_bench.peers.nested_parse import by_from_json


def test_both_ways_of_parsing_read_the_same_records(spark: SparkSession) -> None:
    records = kafka_records(spark, 50)
    strict = parse(records, STREAM, max_clock_skew_seconds=300)
    assert strict.where(F.col(ASIDE).isNotNull()).count() == 0
    assert len(STREAM.fields) == 20
    found = by_from_json(records)
    # The strict one also converts times and fills in defaults.
    expected = strict.drop(ASIDE).withColumn("created_at", F.unix_millis("created_at"))
    assert expected.collect() == found.withColumn("gift", F.coalesce("gift", F.lit(False))).collect()
    sizes = expected.select(F.size("items").alias("items"), F.size("payments").alias("payments")).collect()
    assert {row["items"] for row in sizes} == {0, 1, 2, 3, 4}
