"""Rows as Spark's Kafka source gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

SCHEMA = (
    "key binary, value binary, topic string, partition int, offset long, timestamp timestamp, "
    "headers array<struct<key: string, value: binary>>"
)
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
