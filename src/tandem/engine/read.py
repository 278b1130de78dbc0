"""Reads a pipeline's topics into the DataFrames that its transform takes."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from tandem.engine.config import JobConfig
from tandem.engine.pacemaker import observed
from tandem.engine.parse import parse
from tandem.engine.pipeline import Pipeline
from tandem.engine.schema import Stream


def streams(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> list[DataFrame]:
    """Returns an unbounded DataFrame with a watermark for each of the pipeline's streams."""
    return [
        observed(
            _parsed(spark.readStream.format("kafka").options(**_options(config, stream)).load(), stream, config), stream
        )
        for stream in pipeline.streams
    ]


def _parsed(records: DataFrame, stream: Stream, config: JobConfig) -> DataFrame:
    rows = parse(records, stream, max_clock_skew_seconds=config.max_clock_skew_seconds)
    return rows.withWatermark(stream.event_time, f"{config.lateness_seconds} seconds")


def _options(config: JobConfig, stream: Stream) -> dict[str, str]:
    return {
        "kafka.bootstrap.servers": config.bootstrap,
        **config.kafka_options,
        "subscribe": stream.topic,
        # Only the first start reads this; later ones go on from the checkpoint.
        "startingOffsets": "earliest",
        # A gap between checkpoint and topic is lost data: stop, never skip.
        "failOnDataLoss": "true",
        "kafka.isolation.level": "read_committed",
        "includeHeaders": "true",
        # Between two batches a consumer's next fetch waits at the broker. A batch must not wait for that one to return.
        "kafka.fetch.max.wait.ms": "20",
    }
