"""Reads a pipeline's topics and applies its transform, without end or once."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from tandem.engine.config import JobConfig
from tandem.engine.login import kafka_options
from tandem.engine.pacemaker import observed
from tandem.engine.parse import ASIDE, parse
from tandem.engine.pipeline import Pipeline
from tandem.engine.schema import Stream


def as_stream(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> DataFrame:
    """Returns the transform's unbounded rows, each stream with its watermark.

    Raises:
        ValueError: the transform dropped the rows that were set aside; dead letters would be lost.
    """

    def read(stream: Stream) -> DataFrame:
        options = {
            "subscribe": stream.topic,
            # Only the first start reads this; later ones go on from the checkpoint.
            "startingOffsets": "earliest",
            # A gap between checkpoint and topic is lost data: stop, never skip.
            "failOnDataLoss": "true",
            # Between two batches a consumer's next fetch waits at the broker. A batch must not wait until it returns.
            "kafka.fetch.max.wait.ms": "20",
        }
        records = spark.readStream.format("kafka").options(**_connection(config), **options).load()
        rows = _parsed(records, stream, config)
        return observed(rows.withWatermark(stream.event_time, f"{config.lateness_seconds} seconds"), stream)

    return _transformed(pipeline, [read(stream) for stream in pipeline.streams], config)


def as_batch(
    spark: SparkSession, pipeline: Pipeline, config: JobConfig, ends: Mapping[str, Mapping[str, int]]
) -> DataFrame:
    """Returns the transform's rows of all events that are in the topics up to ``ends``, whether they came late or not.

    Args:
        spark: the session.
        pipeline: what to read and to apply.
        config: where Kafka is.
        ends: the offset behind the last record to read, by topic and partition; no other partition is read.
    """

    def read(stream: Stream) -> DataFrame:
        parts = ends[stream.topic]
        options = {
            "assign": json.dumps({stream.topic: sorted(map(int, parts))}),
            "startingOffsets": "earliest",
            "endingOffsets": json.dumps({stream.topic: dict(parts)}),
        }
        return _parsed(spark.read.format("kafka").options(**_connection(config), **options).load(), stream, config)

    rows = _transformed(pipeline, [read(stream) for stream in pipeline.streams], config)
    return rows.where(rows[ASIDE].isNull()).drop(ASIDE)


def _transformed(pipeline: Pipeline, frames: list[DataFrame], config: JobConfig) -> DataFrame:
    rows = pipeline.transform(*frames, **config.parameters)
    if ASIDE not in rows.columns:
        raise ValueError(f"pipeline {pipeline.name}: transform must keep the column {ASIDE}, as interval_join does")
    return rows


def _parsed(records: DataFrame, stream: Stream, config: JobConfig) -> DataFrame:
    return parse(records, stream, max_clock_skew_seconds=config.max_clock_skew_seconds)


def _connection(config: JobConfig) -> dict[str, str]:
    return {
        **kafka_options(config),
        "kafka.isolation.level": "read_committed",
        "includeHeaders": "true",
    }
