"""The job's work as Spark batches: reading, parsing, and everything.

Prints one JSON object: the seconds of each kind, one for each round; the first is of a cold Java.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.read.kafka_source import as_batch, records_of
from tandem.engine.read.parse import parse
from tandem.engine.write.mongo_sink import write_documents
from tandem.pipelines.orders_payments.transform import PIPELINE

_Ends = Mapping[str, Mapping[str, int]]


def main() -> None:
    """Runs each kind once for each of the databases."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--config", type=Path, required=True)
    arguments.add_argument("--ends", required=True, help="JSON: the offset behind the last record by topic, partition")
    arguments.add_argument("--databases", nargs="+", required=True, help="one for each round")
    options = arguments.parse_args()
    config, ends = JobConfig.parse(options.config.read_text("utf-8")), json.loads(options.ends)
    spark = SparkSession.builder.appName("tandem bench limits").getOrCreate()
    seconds: dict[str, list[float]] = {"read": [], "parse": [], "batch": []}
    for database in options.databases:
        seconds["read"].append(_timed(partial(_read, spark, PIPELINE, config, ends, parsed=False)))
        seconds["parse"].append(_timed(partial(_read, spark, PIPELINE, config, ends, parsed=True)))
        into = replace(config, mongo=replace(config.mongo, database=database))
        seconds["batch"].append(_timed(partial(_batch, spark, PIPELINE, into, ends)))
    sys.stdout.write(json.dumps(seconds) + "\n")
    spark.stop()


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _read(spark: SparkSession, pipeline: Pipeline, config: JobConfig, ends: _Ends, *, parsed: bool) -> None:
    for stream in pipeline.streams:
        records = records_of(spark, stream, config, ends[stream.topic])
        rows = parse(records, stream, max_clock_skew_seconds=config.max_clock_skew_seconds) if parsed else records
        _count_out(rows)


def _count_out(rows: DataFrame) -> None:
    rows.write.format("noop").mode("overwrite").save()


def _batch(spark: SparkSession, pipeline: Pipeline, config: JobConfig, ends: _Ends) -> None:
    rows = as_batch(spark, pipeline, config, ends).persist()
    try:
        for output in pipeline.outputs:
            write_documents(output.documents(rows), output.collection_name, config, few=False)
    finally:
        rows.unpersist()


if __name__ == "__main__":
    main()
