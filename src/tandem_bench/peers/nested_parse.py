"""Parses large nested records strictly, and by ``from_json`` alone.

Prints one JSON object: the seconds of each kind, one for each round; the first is of a cold Java. It fails if a record
is rejected.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.kind import Timestamp, TimeUnit
from tandem.engine.declare.spark_type import spark_type
from tandem.engine.read.parse import ASIDE, parse
from tandem_bench.nested_records import STREAM, kafka_records

_SKEW_S = 300


def main() -> None:
    """Parses the records of a file several times."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--config", type=Path, required=True)
    arguments.add_argument("--records", type=int, required=True)
    arguments.add_argument("--rounds", type=int, required=True, help="besides the first")
    options = arguments.parse_args()
    spark = SparkSession.builder.appName("tandem bench nested records").getOrCreate()
    with TemporaryDirectory(dir=options.config.parent) as folder:
        kafka_records(spark, options.records).write.mode("overwrite").parquet(folder)
        records = spark.read.parquet(folder)
        strict = parse(records, STREAM, max_clock_skew_seconds=_SKEW_S)
        if rejected := strict.where(F.col(ASIDE).isNotNull()).count():
            raise SystemExit(f"{rejected} of {options.records} records were rejected")
        kinds = {"read": records, "from_json": by_from_json(records), "parse": strict}
        seconds: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(options.rounds + 1):
            for name, rows in kinds.items():
                seconds[name].append(_timed(rows))
    sys.stdout.write(json.dumps(seconds) + "\n")
    spark.stop()


def by_from_json(records: DataFrame) -> DataFrame:
    """Returns the fields of the records as Spark's ``from_json`` alone reads them."""
    types = {
        name: "bigint" if isinstance(kind, Timestamp) and kind.unit is not TimeUnit.ISO_8601 else spark_type(kind)
        for name, kind in STREAM.fields.items()
    }
    schema = ", ".join(f"{name} {each}" for name, each in types.items())
    return records.select(F.from_json(F.col("value").cast("string"), schema).alias("record")).select("record.*")


def _timed(rows: DataFrame) -> float:
    began = time.perf_counter()
    rows.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
