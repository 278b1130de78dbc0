"""Writes the records that could not be accepted to the dead-letter topic: original bytes, origin and reason."""

from __future__ import annotations

import re
from functools import cached_property, reduce
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.read.reject import Reasons
from tandem.engine.spark.connection_options import kafka_options, kafka_properties
from tandem.engine.spark.failure import CannotGoOnError, texts_of
from tandem.engine.write.driver_writer import KAFKA, DriverWriter

# A replayed batch looks for its dead letters from so long before it was planned: clocks of broker and cluster differ.
_CLOCK_SLACK_MS = 10 * 60 * 1000
_REFUSED = "(Topic|Cluster)AuthorizationException|RecordTooLargeException|PolicyViolationException"


class DeadLetters:
    """Writes dead letters for the records of a pipeline's streams.

    Args:
        spark: the session.
        pipeline: the streams that the records come from and the dead-letter topic.
        config: where Kafka is.
    """

    def __init__(self, spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> None:
        self._spark = spark
        self._topic = pipeline.dead_letter_topic
        self._config = config
        self._streams = pipeline.streams

    @cached_property
    def _letter(self) -> tuple[Column, ...]:
        key = F.concat_ws("-", "topic", "partition", "offset").cast("binary").alias("key")
        return (key, F.col("value"), _headers().alias("headers"))

    @cached_property
    def _reasons(self) -> dict[str, Reasons]:
        """By topic. They take a second to build, which a job that is starting has no need to wait for."""
        skew = self._config.max_clock_skew_seconds
        return {stream.topic: Reasons(stream, max_clock_skew_seconds=skew) for stream in self._streams}

    def made_of(self, rejected: DataFrame) -> DataFrame:
        """Returns a dead letter for each record: ``key``, ``value`` and ``headers``.

        Args:
            rejected: rows of the fields of ``parse.ASIDE``; cached, since they are read more than once.
        """
        return reduce(DataFrame.unionByName, self.made_by_stream(rejected))

    def made_by_stream(self, rejected: DataFrame) -> list[DataFrame]:
        """Returns the same of each stream alone."""
        return [
            reasons.added_to(rejected.where(F.col("topic") == topic)).select(*self._letter)
            for topic, reasons in self._reasons.items()
        ]

    def append(self, letters: DataFrame, *, planned_ms: int | None) -> None:
        """Appends dead letters, and none that is there already.

        Args:
            letters: of ``made_of``.
            planned_ms: when the batch was planned, in milliseconds since 1970, if it may have been written before,
                wholly or in part; else None. Kafka's sink cannot know, so the topic is read from then on, and what is
                found is not written again. The records' own timestamps may be their producers', and say nothing.

        Raises:
            CannotGoOnError: Kafka has no such topic, or does not let us write to it.
        """
        if planned_ms is not None:
            letters = not_yet_written(letters, planned_ms, self._topic, self._config)
        try:
            letters.write.format("kafka").options(**self._options).save()
        except Py4JJavaError as error:
            self.raise_if_final(error)
            raise

    def writer(self, letters: DataFrame) -> DriverWriter:
        """Returns what appends such letters from the driver; see ``append``, which explains its errors."""
        return DriverWriter(letters, KAFKA, self._options)

    @cached_property
    def _options(self) -> dict[str, str]:
        return {
            **kafka_options(self._config),
            "kafka.acks": "all",
            # A topic that is not there fails only after this time.
            "kafka.max.block.ms": "20000",
            "kafka.enable.idempotence": "true",
            # As large as the largest record that a source topic may hold, with room for the headers.
            "kafka.max.request.size": str(32 * 1024 * 1024),
            "includeHeaders": "true",
            "topic": self._topic,
        }

    def raise_if_final(self, error: Py4JJavaError) -> None:
        """Raises if a retry cannot help. A batch must not be committed without its dead letters.

        Kafka's error does not always name a missing topic: after a restart, it mentions a "partition" only.

        Raises:
            CannotGoOnError: as for ``append``.
        """
        refused = re.search(_REFUSED, texts_of(error))
        if refused or self._is_missing():
            why = refused.group(0) if refused else "there is no such topic"
            raise CannotGoOnError(
                f"dead letters cannot be written to {self._topic}: {why}; no data was lost; fix this and restart the "
                "job, it resumes where it stopped (docs/guides/recovery.md)"
            )

    def _is_missing(self) -> bool:
        """Returns whether Kafka answers and knows no such topic."""
        jvm: Any = self._spark._jvm
        properties = jvm.java.util.Properties()
        # The client refuses to be made when the second is the longer one.
        patience = dict.fromkeys(("default.api.timeout.ms", "request.timeout.ms"), "10000")
        for name, value in {**kafka_properties(self._config), **patience}.items():
            properties.setProperty(name, value)
        admin = jvm.org.apache.kafka.clients.admin.AdminClient.create(properties)
        try:
            return self._topic not in admin.listTopics().names().get()
        except Py4JJavaError:  # it does not answer: that passes
            return False
        finally:
            admin.close()


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


def not_yet_written(letters: DataFrame, planned_ms: int, topic: str, config: JobConfig) -> DataFrame:
    """Returns the letters that the topic does not have since their batch was planned."""
    written = (
        letters.sparkSession.read.format("kafka")
        .options(**kafka_options(config))
        .option("subscribe", topic)
        .option("startingTimestamp", str(max(0, planned_ms - _CLOCK_SLACK_MS)))
        .option("startingOffsetsByTimestampStrategy", "latest")
        .load()
    )
    return letters.join(written.select("key").distinct(), "key", "left_anti")
