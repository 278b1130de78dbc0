"""Computes the documents of a range of records again, as a batch, and stores them.

It writes the pipeline's own collections or a second set of them. It writes no dead letters, and it removes only
documents that are certainly wrong. The job may run at the same time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.collection_set import beside
from tandem.engine.declare.field_name import quoted
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.declare.replay_range import ReplayRange
from tandem.engine.read.decided import DECIDED, with_limits
from tandem.engine.read.kafka_source import CONTROL, EVENTS, NEWEST, REJECTED, events_in, parsed_in, transformed
from tandem.engine.read.parse import ASIDE, IS_CONTROL
from tandem.engine.run.final_windows import final_windows
from tandem.engine.run.job_progress import newest_progress
from tandem.engine.run.replay_record import ReplayRecord
from tandem.engine.run.stored_documents import StoredDocuments
from tandem.engine.spark.failure import CannotGoOnError
from tandem.engine.write.document_schema import documents_of


class Contents(NamedTuple):
    """The records of a range.

    Attributes:
        records: the numbers of events, control records and rejected records, by stream.
        watermark_ms: the watermark that the records imply, in milliseconds since 1970; 0 for none. If a job writes the
            same collections, it is at most the job's.
    """

    records: dict[str, dict[str, int]]
    watermark_ms: int


def replay(spark: SparkSession, pipeline: Pipeline, config: JobConfig, span: ReplayRange) -> dict[str, Any]:
    """Stores the documents that a range of records implies; returns the numbers.

    A repetition changes nothing. So a replay that was killed can be run again.

    Returns:
        ``records``: numbers of records by stream and kind. ``compared``, ``inserted``, ``replaced`` and ``removed``:
        numbers of documents by collection. ``watermark``: the records' watermark, or None. ``seconds``: the duration.

    Raises:
        CannotGoOnError: the pipeline's declaration does not allow it.
    """
    began = time.monotonic()
    if span.cut and not span.into and any(output.window for output in pipeline.outputs):
        raise CannotGoOnError(
            "records after the range may belong to its last windows, so aggregates would be replaced by wrong ones: "
            "replay without --until, or into other collections with --into"
        )
    target = beside(pipeline, span.into)
    with ReplayRecord(spark, config, span) as record:
        record.step("reading the range")
        contents = contents_of(spark, pipeline, config, span)
        record.read(contents.watermark_ms)
        watermark = datetime.fromtimestamp(contents.watermark_ms / 1000, UTC)
        report: dict[str, Any] = {
            "records": contents.records,
            "watermark": watermark.isoformat(timespec="milliseconds") if contents.watermark_ms else None,
            **{what: {} for what in ("compared", "inserted", "replaced", "removed")},
        }
        # Every output is made of them.
        rows = decided_rows(spark, target, config, span, contents.watermark_ms).persist(StorageLevel.DISK_ONLY)
        try:
            _store(spark, target, config, span, rows, watermark, record, report)
        finally:
            rows.unpersist()
    report["seconds"] = round(time.monotonic() - began, 1)
    return report


def contents_of(spark: SparkSession, pipeline: Pipeline, config: JobConfig, span: ReplayRange) -> Contents:
    """Returns the numbers of the range's records and their watermark."""
    records: dict[str, dict[str, int]] = {}
    newest: list[int | None] = []
    for stream in pipeline.streams:
        is_event, is_control = F.col(ASIDE).isNull(), F.col(ASIDE)[IS_CONTROL]
        counts = {EVENTS: is_event, CONTROL: is_control, REJECTED: ~is_control}
        found = parsed_in(spark, stream, config, span).agg(
            *(F.count_if(each).alias(name) for name, each in counts.items()),
            F.max(F.unix_millis(quoted(stream.time_column))).alias(NEWEST),
        )
        (row,) = found.collect()
        records[stream.name] = {name: row[name] for name in counts}
        newest.append(row[NEWEST])
    # As the engine's: the minimum over the streams, and not before 1970.
    reached = (0 if each is None else each - config.lateness_seconds * 1000 for each in newest)
    implied = max(0, min(reached, default=0))
    return Contents(records, implied if span.watermark_ms is None else min(implied, span.watermark_ms))


def decided_rows(
    spark: SparkSession, pipeline: Pipeline, config: JobConfig, span: ReplayRange, watermark_ms: int
) -> DataFrame:
    """Returns the transform's rows that the range's records decide.

    Records outside of the range could change others.

    Raises:
        CannotGoOnError: the transform does not say which events are decided.
    """
    events = [events_in(spark, stream, config, span) for stream in pipeline.streams]
    if not any(output.superseded_by for output in pipeline.outputs):
        return transformed(spark, pipeline, config, events)
    limited = [with_limits(each, complete_ms=span.complete_ms, watermark_ms=watermark_ms) for each in events]
    rows = transformed(spark, pipeline, config, limited)
    if DECIDED not in rows.columns:
        raise CannotGoOnError(
            f"the transform drops the column {DECIDED}, so it is unknown which events have no partner: join with "
            "interval_join, and keep all of its columns"
        )
    return rows.drop(DECIDED)


def _store(
    spark: SparkSession,
    pipeline: Pipeline,
    config: JobConfig,
    span: ReplayRange,
    rows: DataFrame,
    watermark: datetime,
    record: ReplayRecord,
    report: dict[str, Any],
) -> None:
    documents = documents_of(pipeline, rows)
    stored = StoredDocuments(spark, pipeline, config, documents, _watermark_of_job(spark, config, span))
    for windows in final_windows(spark, pipeline, config, documents, lambda: span.complete_ms, watermark):
        record.step(f"writing {windows.collection}")
        windows.repair(report)
    for output in stored.final:
        name = output.collection_name
        record.step(f"writing {name}")
        report["replaced"][name] = stored.replace_known(name)
        report["compared"][name], report["inserted"][name] = stored.insert_missing(name)
    for output, by in stored.provisional:
        name = output.collection_name
        record.step(f"writing {name}")
        report["inserted"][name], report["replaced"][name] = stored.write_provisional(output, by)
        report["removed"][name] = stored.remove_overtaken_by_stored(output, by)


def _watermark_of_job(spark: SparkSession, config: JobConfig, span: ReplayRange) -> datetime | None:
    """Returns the watermark of the job that writes the same collections, or None."""
    if span.into:
        return None
    progress = newest_progress(spark, config)
    reached = progress and progress["watermark"]
    return datetime.fromisoformat(reached["$date"]) if reached else None
