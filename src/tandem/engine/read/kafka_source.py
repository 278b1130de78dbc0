"""Reads a pipeline's topics and applies its transform, as a stream or as a batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.field_name import quoted
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.declare.replay_range import ReplayRange
from tandem.engine.declare.stream import MOST_DELAY_MS, Stream
from tandem.engine.read.mongo_source import looked_up
from tandem.engine.read.parse import ASIDE, IS_CONTROL, parse
from tandem.engine.read.reject import Reasons
from tandem.engine.spark.connection_options import kafka_options

# A batch reads the whole backlog. With a limit, partitions would progress at different rates, and records of the slower
# ones would become late.
STREAM_OPTIONS = {
    # Only the first start reads this; later ones resume from the checkpoint.
    "startingOffsets": "earliest",
    # Records missing between checkpoint and topic are lost data, so the job stops.
    "failOnDataLoss": "true",
    # A consumer sends its next fetch between two batches. With the default, a batch would wait for its return.
    "kafka.fetch.max.wait.ms": "20",
    # A batch of one record costs nearly as much as a batch of hundreds. So fewer records of a topic than this wait
    # for more, up to a second. A steady load of a few hundred records a second never waits.
    "minOffsetsPerTrigger": "50",
    "maxTriggerDelay": f"{MOST_DELAY_MS}ms",
}
# A stream's metrics for each batch: the numbers of events, control records and rejected records, and the oldest and the
# newest event time.
EVENTS, CONTROL, REJECTED, OLDEST, NEWEST = "events", "control", "rejected", "oldest_ms", "newest_ms"


def as_stream(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> DataFrame:
    """Returns the transform's rows and the rejected rows as a stream, with watermarks.

    Raises:
        ValueError: the transform drops the rejected rows although ``keeps_aside`` is set; dead letters would be lost.
    """

    def read(stream: Stream) -> DataFrame:
        options = {"subscribe": stream.topic, **STREAM_OPTIONS}
        records = spark.readStream.format("kafka").options(**_connection(config), **options).load()
        return in_few_tasks(_parsed(records, stream, config))

    return streamed(pipeline, [read(stream) for stream in pipeline.streams], _lookups(spark, pipeline, config), config)


def in_few_tasks(rows: DataFrame) -> DataFrame:
    """Returns a topic's rows with no more tasks than cores.

    A task costs about as much as a hundred records, so a task may read several partitions. A cluster of several
    machines keeps a task for each partition, because its executors may come later than the query.
    """
    context = rows.sparkSession.sparkContext
    local = (context.master or "").startswith("local")
    cores = context.defaultParallelism if local else context.getConf().get("spark.cores.max")
    return rows.coalesce(int(cores)) if cores else rows


def streamed(
    pipeline: Pipeline, rows: Sequence[DataFrame], lookups: Mapping[str, DataFrame], config: JobConfig
) -> DataFrame:
    """Returns the rows of ``as_stream`` for given parsed rows.

    They need not come from Kafka.
    """
    timed = [
        observed(each.withWatermark(quoted(stream.time_column), f"{config.lateness_seconds} seconds"), stream)
        for each, stream in zip(rows, pipeline.streams, strict=True)
    ]
    if pipeline.keeps_aside:
        kept = pipeline.transform(*timed, **lookups, **config.parameters)
        if ASIDE not in kept.columns:
            raise ValueError(f"pipeline {pipeline.name}: keeps_aside is set, but transform drops the column {ASIDE}")
        return kept
    # Control records advance the watermark even though they are filtered out afterwards.
    transformed = pipeline.transform(*(_events(each) for each in timed), **lookups, **config.parameters)
    aside = reduce(DataFrame.union, (each.where(F.col(ASIDE).isNotNull()).select(ASIDE) for each in rows))
    return transformed.unionByName(aside, allowMissingColumns=True)


def times_read(pipeline: Pipeline) -> int:
    """Returns how often ``as_stream`` reads each record."""
    return 1 if pipeline.keeps_aside else 2


def as_batch(
    spark: SparkSession, pipeline: Pipeline, config: JobConfig, ends: Mapping[str, Mapping[str, int]]
) -> DataFrame:
    """Returns the transform's rows for all events up to ``ends``, also late ones.

    Args:
        spark: the session.
        pipeline: the pipeline.
        config: Kafka's address.
        ends: the offset behind the last record to read, by topic and partition; no other partition is read.
    """

    events = [events_of(spark, stream, config, ends[stream.topic]) for stream in pipeline.streams]
    return transformed(spark, pipeline, config, events)


def events_in(spark: SparkSession, stream: Stream, config: JobConfig, span: ReplayRange) -> DataFrame:
    """Returns a stream's events in a range, as the transform gets them."""
    return _events(parsed_in(spark, stream, config, span))


def parsed_in(spark: SparkSession, stream: Stream, config: JobConfig, span: ReplayRange) -> DataFrame:
    """Returns one row for each of a stream's records in a range; see ``parse``."""
    records = records_of(spark, stream, config, span.ends(stream.topic), span.starts(stream.topic))
    return _parsed(records, stream, config)


def transformed(spark: SparkSession, pipeline: Pipeline, config: JobConfig, events: Sequence[DataFrame]) -> DataFrame:
    """Returns the transform's rows for given events of each stream, as a batch."""
    return pipeline.transform(*events, **_lookups(spark, pipeline, config), **config.parameters)


def events_of(spark: SparkSession, stream: Stream, config: JobConfig, ends: Mapping[str, int]) -> DataFrame:
    """Returns a stream's events as the transform gets them; see ``records_of``."""
    return _events(_parsed(records_of(spark, stream, config, ends), stream, config))


def rejected_records_of(spark: SparkSession, stream: Stream, config: JobConfig, ends: Mapping[str, int]) -> DataFrame:
    """Returns a stream's rejected records, with ``error`` and ``detail``."""
    aside = _parsed(records_of(spark, stream, config, ends), stream, config).where(~F.col(f"{ASIDE}.{IS_CONTROL}"))
    reasons = Reasons(stream, max_clock_skew_seconds=config.max_clock_skew_seconds)
    return reasons.added_to(aside.select(f"{ASIDE}.*")).drop(IS_CONTROL)


def records_of(
    spark: SparkSession,
    stream: Stream,
    config: JobConfig,
    ends: Mapping[str, int],
    starts: Mapping[str, int] | None = None,
) -> DataFrame:
    """Returns the records of a stream's topic in the schema of Spark's Kafka source.

    Args:
        spark: the session.
        stream: the stream.
        config: Kafka's address.
        ends: the offset behind the last record to read, by partition; no other partition is read.
        starts: the first offset to read, by partition; None for the topic's first records.
    """
    options = {
        "assign": json.dumps({stream.topic: sorted(map(int, ends))}),
        "startingOffsets": "earliest" if starts is None else json.dumps({stream.topic: dict(starts)}),
        "endingOffsets": json.dumps({stream.topic: dict(ends)}),
    }
    return spark.read.format("kafka").options(**_connection(config), **options).load()


def _events(rows: DataFrame) -> DataFrame:
    return rows.where(F.col(ASIDE).isNull()).drop(ASIDE)


def _lookups(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> dict[str, DataFrame]:
    return {lookup.collection: looked_up(spark, config, lookup) for lookup in pipeline.lookups}


def _parsed(records: DataFrame, stream: Stream, config: JobConfig) -> DataFrame:
    return parse(records, stream, max_clock_skew_seconds=config.max_clock_skew_seconds, sender=config.sender)


def _connection(config: JobConfig) -> dict[str, str]:
    return {
        **kafka_options(config),
        "kafka.isolation.level": "read_committed",
        # After each poll, Spark asks Kafka twice for the partition's offsets. By default, a poll returns 500 records.
        "kafka.max.poll.records": "5000",
        "includeHeaders": "true",
    }


def observed(rows: DataFrame, stream: Stream) -> DataFrame:
    """Returns the stream's rows, whose metrics each batch's progress reports."""
    # Null for an event, which is then neither a control record nor rejected.
    is_event, is_control = F.col(ASIDE).isNull(), F.col(ASIDE)[IS_CONTROL]
    counts = {EVENTS: is_event, CONTROL: is_control, REJECTED: ~is_control}
    time = F.when(is_event, F.unix_millis(quoted(stream.time_column)))
    numbers = (F.count_if(each).alias(name) for name, each in counts.items())
    return rows.observe(stream.name, *numbers, F.min(time).alias(OLDEST), F.max(time).alias(NEWEST))
