"""Repairs documents that late records affect, as a batch over the topics.

It reads the records that the job has committed. The job has written the documents of all of them except late ones. So
the job will not write a missing document any more, and both may run at the same time.
"""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial
from typing import Any

from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.read.kafka_source import as_batch
from tandem.engine.run.final_windows import complete_since, final_windows
from tandem.engine.run.job_progress import newest_progress
from tandem.engine.run.stored_documents import StoredDocuments
from tandem.engine.spark.checkpoint import last_committed
from tandem.engine.spark.failure import CannotGoOnError
from tandem.engine.write.document_schema import documents_of


def reconcile(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> dict[str, Any]:
    """Inserts missing documents, removes superseded ones, and repairs aggregates.

    Returns the numbers.

    A repetition changes nothing. Memory is bounded, because Spark spills to disk.

    Returns:
        ``compared``, ``inserted``, ``replaced`` and ``removed``: numbers of documents by collection; empty if the job
        has not committed a batch. ``seconds``: the duration.

    Raises:
        CannotGoOnError: the job has committed batches, but MongoDB has no report of it.
    """
    began = time.monotonic()
    progress = newest_progress(spark, config)
    if progress is None and last_committed(spark, config) is not None:
        raise CannotGoOnError(
            "the job has committed batches, but MongoDB has no report of it; let the job report by starting it, and "
            "reconcile again"
        )
    report: dict[str, Any] = {"compared": {}, "inserted": {}, "replaced": {}, "removed": {}}
    if progress is not None and progress["committed"] and progress["watermark"]:
        watermark = datetime.fromisoformat(progress["watermark"]["$date"])
        _reconcile(spark, pipeline, config, progress["committed"], watermark, report)
    report["seconds"] = round(time.monotonic() - began, 1)
    return report


def _reconcile(
    spark: SparkSession,
    pipeline: Pipeline,
    config: JobConfig,
    committed: dict[str, dict[str, int]],
    watermark: datetime,
    report: dict[str, Any],
) -> None:
    documents = documents_of(pipeline, as_batch(spark, pipeline, config, committed))
    stored = StoredDocuments(spark, pipeline, config, documents, watermark)
    since = partial(complete_since, spark, pipeline, config, committed)
    for windows in final_windows(spark, pipeline, config, documents, since, watermark):
        windows.repair(report)
    for output in stored.final:
        name = output.collection_name
        report["compared"][name], report["inserted"][name] = stored.insert_missing(name)
    for output, by in stored.provisional:
        report["removed"][output.collection_name] = stored.remove_overtaken(output, by)
    stored.superseded.forget([output.collection_name for output, _ in stored.provisional], watermark)
