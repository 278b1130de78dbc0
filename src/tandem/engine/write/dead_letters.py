"""Writes rejected records to the dead-letter topic.

A dead letter has the original bytes, the origin and the reason.
"""

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

# A replayed batch searches for its dead letters from this long before its plan, because clocks differ.
_CLOCK_SLACK_MS = 10 * 60 * 1000
SOURCE_TIMESTAMP = "source_timestamp"
_REFUSED = "(Topic|Cluster)AuthorizationException|RecordTooLargeException|PolicyViolationException"
# The rights on the topic: it is read when a batch is repeated.
_RIGHTS = "READ and WRITE"


class DeadLetters:
    """Writes dead letters for the records of a pipeline's streams.

    Args:
        spark: the session.
        pipeline: the declared streams and dead-letter topic.
        config: Kafka's address.
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
        """The reasons by topic, built when first used, because that takes a second."""
        skew = self._config.max_clock_skew_seconds
        return {stream.topic: Reasons(stream, max_clock_skew_seconds=skew) for stream in self._streams}

    def made_of(self, rejected: DataFrame) -> DataFrame:
        """Returns a dead letter for each rejected record: ``key``, ``value`` and ``headers``.

        Args:
            rejected: rows with the fields of ``parse.ASIDE``; cache them, because they are read more than once.
        """
        return reduce(DataFrame.unionByName, self.made_by_stream(rejected))

    def made_by_stream(self, rejected: DataFrame) -> list[DataFrame]:
        """Returns the dead letters of ``made_of``, one DataFrame for each stream."""
        return [
            reasons.added_to(rejected.where(F.col("topic") == topic)).select(*self._letter)
            for topic, reasons in self._reasons.items()
        ]

    def append(self, letters: DataFrame, *, since_ms: int | None) -> None:
        """Appends dead letters that the topic does not have yet.

        Args:
            letters: the dead letters of ``made_of``.
            since_ms: the earliest time at which a part of the batch may have been written, in milliseconds since 1970;
                None if nothing of it has been written. The topic is read from that time on, and dead letters found
                there are not written again.

        Raises:
            CannotGoOnError: the topic does not exist, or Kafka does not allow the job to read it or to write to it.
        """
        if since_ms is not None:
            letters = not_yet_written(letters, since_ms, self._topic, self._config)
        try:
            letters.write.format("kafka").options(**self._options).save()
        except Py4JJavaError as error:
            self.raise_if_final(error)
            raise

    def writer(self, letters: DataFrame) -> DriverWriter:
        """Returns a writer that appends such letters from the driver.

        For its errors see ``append``.
        """
        return DriverWriter(letters, KAFKA, self._options)

    @cached_property
    def _options(self) -> dict[str, str]:
        return {
            **kafka_options(self._config),
            "kafka.acks": "all",
            # Writing to a missing topic fails only after this time.
            "kafka.max.block.ms": "20000",
            "kafka.enable.idempotence": "true",
            # Kafka's client splits a batch of records that exceeds the topic's limit for ever (KAFKA-8350). So a batch
            # has one record.
            "kafka.batch.size": "0",
            # The largest record of a source topic, with room for the headers.
            "kafka.max.request.size": str(32 * 1024 * 1024),
            "includeHeaders": "true",
            "topic": self._topic,
        }

    def raise_if_final(self, error: Py4JJavaError) -> None:
        """Raises if a retry cannot help.

        A batch must not be committed without its dead letters.

        Kafka's error does not always name a missing topic: after a restart, it mentions a "partition" only.

        Raises:
            CannotGoOnError: as for ``append``.
        """
        refused = re.search(_REFUSED, texts_of(error))
        if refused or self._is_missing():
            why = refused.group(0) if refused else "there is no such topic"
            if refused and refused.group(1):
                why += f", the job's user needs {_RIGHTS} on it"
            raise CannotGoOnError(
                f"dead letters cannot be written to {self._topic}: {why}; no data was lost; fix this and restart the "
                "job, it resumes where it stopped (docs/guides/recovery.md)"
            )

    def _is_missing(self) -> bool:
        """Returns whether Kafka answers and has no such topic."""
        jvm: Any = self._spark._jvm
        properties = jvm.java.util.Properties()
        # The client requires that the second one is not longer than the first.
        patience = dict.fromkeys(("default.api.timeout.ms", "request.timeout.ms"), "10000")
        for name, value in {**kafka_properties(self._config), **patience}.items():
            properties.setProperty(name, value)
        admin = jvm.org.apache.kafka.clients.admin.AdminClient.create(properties)
        try:
            return self._topic not in admin.listTopics().names().get()
        except Py4JJavaError:  # Kafka does not answer, which a retry may resolve
            return False
        finally:
            admin.close()


def _headers() -> Column:
    """Returns the record's own headers, followed by the dead letter's.

    Readers use the last of a name.
    """
    ours = {
        "source_topic": F.col("topic"),
        "source_partition": F.col("partition").cast("string"),
        "source_offset": F.col("offset").cast("string"),
        SOURCE_TIMESTAMP: F.unix_millis("timestamp").cast("string"),
        "error": F.col("error"),
        "detail": F.col("detail"),
    }
    added = F.array(
        *(F.struct(F.lit(name).alias("key"), text.cast("binary").alias("value")) for name, text in ours.items())
    )
    return F.when(F.col("headers").isNull(), added).otherwise(F.concat("headers", added))


def not_yet_written(letters: DataFrame, since_ms: int, topic: str, config: JobConfig) -> DataFrame:
    """Returns the letters that the topic has not got since a time.

    A recreated topic has its offsets again, so a letter is the same only if its record's timestamp is, too.
    """
    # Another program's records have no such header.
    named = F.filter("headers", lambda header: header["key"] == SOURCE_TIMESTAMP)
    timestamp = F.try_element_at(named, F.lit(-1))["value"].alias("source_timestamp")
    written = (
        letters.sparkSession.read.format("kafka")
        .options(**kafka_options(config))
        .options(subscribe=topic, includeHeaders="true")
        .option("startingTimestamp", str(max(0, since_ms - _CLOCK_SLACK_MS)))
        .option("startingOffsetsByTimestampStrategy", "latest")
        .load()
    )
    same = ["key", "source_timestamp"]
    found = written.select("key", timestamp).distinct()
    return letters.select("*", timestamp).join(found, same, "left_anti").drop("source_timestamp")
