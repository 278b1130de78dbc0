"""Repairs aggregates that late records or a corrected lookup have made wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StructType, TimestampType

from tandem.engine.declare.field_name import RESERVED, quoted
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output, Pipeline
from tandem.engine.read.kafka_source import records_of
from tandem.engine.read.mongo_source import in_chunks, read_collection
from tandem.engine.spark.mongo_client import MongoCollection
from tandem.engine.write.mongo_sink import write_documents

# The columns with the compared content of documents.
_EXPECTED, _STORED = f"{RESERVED}_expected", f"{RESERVED}_stored"
# The value of Spark's column timestampType for the broker's time.
_LOG_APPEND_TIME = 1
# Later than every window.
_NEVER_MS = 2**53


class FinalWindows:
    """The documents of an output with final windows and complete topics.

    All events of their windows are still in the topics.

    Args:
        spark: the session.
        config: MongoDB's address.
        output: the output.
        window: the names of its fields with the window's begin and end.
        documents: the documents that the topics imply.
        since: returns the event time from which windows are complete, in milliseconds since 1970; None if all are.
        watermark: the watermark up to which windows are closed.

    Attributes:
        collection: the documents' collection.
    """

    def __init__(
        self,
        spark: SparkSession,
        config: JobConfig,
        output: Output,
        window: tuple[str, str],
        documents: DataFrame,
        since: Callable[[], int | None],
        watermark: datetime,
    ) -> None:
        self._spark, self._config, self.collection = spark, config, output.collection_name
        self._since = since
        self._begin, end = window
        self._final = F.col(quoted(end)) <= F.lit(watermark)
        times = [field.name for field in documents.schema if isinstance(field.dataType, TimestampType)]
        # MongoDB keeps milliseconds.
        whole = documents.withColumns({name: F.date_trunc("millisecond", F.col(quoted(name))) for name in times})
        self._expected = whole.where(self._final)

    def repair(self, report: dict[str, Any]) -> None:
        """Repairs the documents, and adds the numbers to the report.

        It writes missing and differing documents and removes surplus ones.
        """
        implied = self._expected.persist(StorageLevel.DISK_ONLY)
        implied.count()
        # Only after the topics are read: retention may remove records until then, and the documents would lack them.
        complete = self._complete()
        expected = implied.where(complete)
        stored = read_collection(self._spark, self._config, self.collection, expected.schema)
        stored = stored.where(self._final & complete)
        stored = stored.persist(StorageLevel.DISK_ONLY)
        try:
            wrong = _differing(expected, stored).persist(StorageLevel.DISK_ONLY)
            new = wrong.join(stored.select("_id"), "_id", "left_anti").count()
            report["compared"][self.collection] = expected.count()
            report["inserted"][self.collection] = new
            report["replaced"][self.collection] = (changed := wrong.count()) - new
            if changed:
                write_documents(wrong, self.collection, self._config, few=True)
            extra = stored.join(expected, "_id", "left_anti")
            collection = MongoCollection(self._spark, self._config, self.collection)
            report["removed"][self.collection] = sum(collection.delete_ids(chunk) for chunk in in_chunks(extra))
            wrong.unpersist()
        finally:
            stored.unpersist()
            implied.unpersist()

    def _complete(self) -> Column:
        """Returns the condition for windows whose events are all still in the topics."""
        since_ms = self._since()
        return F.lit(True) if since_ms is None else F.unix_millis(F.col(quoted(self._begin))) >= since_ms


def final_windows(
    spark: SparkSession,
    pipeline: Pipeline,
    config: JobConfig,
    documents: Mapping[str, DataFrame],
    since: Callable[[], int | None],
    watermark: datetime,
) -> list[FinalWindows]:
    """Returns the final windows of each output that has windows; see ``FinalWindows``."""
    return [
        FinalWindows(spark, config, output, output.window, documents[output.collection_name], since, watermark)
        for output in pipeline.outputs
        if output.window is not None
    ]


def complete_since(
    spark: SparkSession, pipeline: Pipeline, config: JobConfig, committed: Mapping[str, Mapping[str, int]]
) -> int | None:
    """Returns the time from which the topics hold all events; None for always.

    It is in milliseconds since 1970.

    Retention removes the oldest records of a partition. An event time is at most the clock skew after the record's
    arrival. So the arrival of the oldest record left, plus the skew, is that time. If producers set the record times,
    the arrival is unknown and no window counts as complete.
    """
    begins: list[int] = []
    for stream in pipeline.streams:
        ends = committed[stream.topic]
        records = records_of(spark, stream, config, ends)
        first = records.groupBy("partition").agg(F.min("offset"), _since())
        oldest_left = {str(partition): (offset, at) for partition, offset, at in first.collect()}
        # An empty partition is complete from its next record on.
        of_each = (oldest_left.get(partition, (end, int(time.time() * 1000))) for partition, end in ends.items())
        begins += [at for offset, at in of_each if offset > 0]
    return max(begins) + config.max_clock_skew_seconds * 1000 if begins else None


def _since() -> Column:
    return F.when(F.min("timestampType") == _LOG_APPEND_TIME, F.min(F.unix_millis("timestamp"))).otherwise(_NEVER_MS)


def _differing(expected: DataFrame, stored: DataFrame) -> DataFrame:
    """Returns the expected documents that are not stored as they are."""
    content = F.struct(*(_content(F.col(quoted(field.name)), field.dataType) for field in expected.schema))
    there = stored.select(content.alias(_STORED))
    return (
        expected.withColumn(_EXPECTED, content)
        .join(there, F.col(_EXPECTED) == F.col(_STORED), "left_anti")
        .drop(_EXPECTED)
    )


def _content(value: Column, kind: DataType) -> Column:
    """Returns a value as it is stored, in types that can be compared.

    Times are in milliseconds, and maps are sorted entries.

    The connector drops null values inside arrays and maps.
    """
    match kind:
        case TimestampType():
            return F.unix_millis(value)
        case ArrayType():
            items = F.filter(value, lambda item: item.isNotNull())
            return F.transform(items, lambda item: _content(item, kind.elementType))
        case MapType():
            entries = F.filter(F.map_entries(value), lambda entry: entry["value"].isNotNull())
            return F.array_sort(
                F.transform(entries, lambda entry: F.struct(entry["key"], _content(entry["value"], kind.valueType)))
            )
        case StructType():
            fields = (_content(value[field.name], field.dataType) for field in kind)
            return F.when(value.isNotNull(), F.struct(*fields))
        case _:
            return value
