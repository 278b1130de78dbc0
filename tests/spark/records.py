"""Rows as Spark's Kafka source gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from tandem.engine.declare.job_config import JobConfig, KafkaConfig, MongoConfig

SCHEMA = (
    "key binary, value binary, topic string, partition int, offset long, timestamp timestamp, "
    "headers array<struct<key: string, value: binary>>"
)
LATENESS_SECONDS = 300
ARRIVED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def kafka_rows(
    spark: SparkSession, topic: str, values: Sequence[bytes | tuple[bytes | None, bytes | None] | None]
) -> DataFrame:
    """Returns one record for each value, or (key, value); its offset is its position."""
    rows: list[tuple[Any, ...]] = []
    for offset, item in enumerate(values):
        key, value = item if isinstance(item, tuple) else (None, item)
        rows.append(
            (
                None if key is None else bytearray(key),
                None if value is None else bytearray(value),
                topic,
                0,
                offset,
                ARRIVED,
                None,
            )
        )
    return spark.createDataFrame(rows, SCHEMA)


def job_config(pipeline: str, **parameters: Any) -> JobConfig:
    """Returns what a job is told, but for where things are."""
    return JobConfig(
        pipeline=pipeline,
        kafka=KafkaConfig(bootstrap=""),
        mongo=MongoConfig(uri="", database=""),
        checkpoint="",
        lateness_seconds=LATENESS_SECONDS,
        max_clock_skew_seconds=300,
        idle_timeout_seconds=30,
        outage_tolerance_seconds=1800,
        parameters=parameters,
    )
