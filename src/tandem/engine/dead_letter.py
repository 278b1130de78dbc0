"""Writes the records that could not be accepted to the dead-letter topic: original bytes, origin and reason."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.config import JobConfig
from tandem.engine.pipeline import Pipeline
from tandem.engine.reject import Reasons

# A replayed batch looks for its dead letters from so long before its first record: clocks of broker and cluster differ.
_CLOCK_SLACK_MS = 10 * 60 * 1000


class DeadLetters:
    """Writes dead letters for the records of a pipeline's streams.

    Args:
        pipeline: the streams that the records come from and the dead-letter topic.
        config: where Kafka is.
    """

    def __init__(self, pipeline: Pipeline, config: JobConfig) -> None:
        self._topic = pipeline.dead_letter_topic
        self._config = config
        skew = config.max_clock_skew_seconds
        self._reasons = {s.topic: Reasons(s, max_clock_skew_seconds=skew) for s in pipeline.streams}
        key = F.concat_ws("-", "topic", "partition", "offset").cast("binary").alias("key")
        self._letter = (key, F.col("value"), _headers().alias("headers"), F.col("timestamp"))

    def write(self, rejected: DataFrame, *, replayed: bool) -> None:
        """Appends one dead letter for each record, and none that is there already.

        Args:
            rejected: rows of the fields of ``parse.ASIDE``; cached, since they are read more than once.
            replayed: this batch may have been written before, wholly or in part. Kafka's sink cannot know, so the topic
                is read from the batch's first record on, and what is found is not written again.
        """
        reasoned = (
            reasons.added_to(rejected.where(F.col("topic") == topic)) for topic, reasons in self._reasons.items()
        )
        letters = reduce(DataFrame.unionByName, reasoned).select(*self._letter)
        if replayed:
            letters = _without_those_written(letters, self._topic, self._config)
        (
            letters.select("key", "value", "headers")
            .write.format("kafka")
            .option("kafka.bootstrap.servers", self._config.bootstrap)
            .options(**self._config.kafka_options)
            .option("kafka.acks", "all")
            .option("kafka.enable.idempotence", "true")
            # As large as the largest record that a source topic may hold, with room for the headers.
            .option("kafka.max.request.size", str(32 * 1024 * 1024))
            .option("includeHeaders", "true")
            .option("topic", self._topic)
            .save()
        )


def _headers() -> Column:
    """Returns the record's own headers followed by the contract's; who reads by name takes the last."""
    ours = {
        "source_topic": F.col("topic"),
        "source_partition": F.col("partition").cast("string"),
        "source_offset": F.col("offset").cast("string"),
        "source_timestamp": F.unix_millis("timestamp").cast("string"),
        "error": F.col("error"),
        "detail": F.col("detail"),
    }
    added = F.array(
        *(F.struct(F.lit(name).alias("key"), text.cast("binary").alias("value")) for name, text in ours.items())
    )
    return F.when(F.col("headers").isNull(), added).otherwise(F.concat("headers", added))


def _without_those_written(letters: DataFrame, topic: str, config: JobConfig) -> DataFrame:
    first = letters.agg(F.min(F.unix_millis("timestamp"))).first()
    if first is None or first[0] is None:
        return letters
    written = (
        SparkSession.active()
        .read.format("kafka")
        .option("kafka.bootstrap.servers", config.bootstrap)
        .options(**config.kafka_options)
        .option("subscribe", topic)
        .option("startingTimestamp", str(max(0, first[0] - _CLOCK_SLACK_MS)))
        .option("startingOffsetsByTimestampStrategy", "latest")
        .load()
    )
    return letters.join(written.select("key").distinct(), "key", "left_anti")
