"""Repairs documents that late records affect, as a batch over the topics.

It reads the records that the job has committed. The job has written the documents of all of them except late ones. So
the job will not write a missing document any more, and both may run at the same time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from functools import partial
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.job_config import MUST_NOT_GO_ON, JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.declare.stream import PROGRESS_COLLECTION, RECONCILIATION_COLLECTION
from tandem.engine.read.kafka_source import as_batch
from tandem.engine.read.mongo_source import in_chunks, read_collection
from tandem.engine.run.checkpoint_compatibility import changed
from tandem.engine.run.final_windows import FinalWindows, complete_since
from tandem.engine.run.job_progress import newest_progress
from tandem.engine.run.pipeline_loader import load_pipeline
from tandem.engine.spark.failure import CannotGoOnError
from tandem.engine.spark.file_system import read_text
from tandem.engine.spark.jvm import remember_java_names, set_log_levels
from tandem.engine.spark.mongo_client import MongoCollection
from tandem.engine.write.document_schema import documents_of
from tandem.engine.write.mongo_sink import FEW, write_documents
from tandem.engine.write.superseded import Superseded

_PRUNES_EMPTY = "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"


def main() -> None:
    """Reconciles a pipeline, and prints the report as one line of JSON.

    ``--pipeline`` names it, and ``--config`` has its configuration.

    With ``--report NAME`` it also stores the report, or why it failed, in MongoDB under that name.
    """
    parser = argparse.ArgumentParser(
        description="Repairs documents that late records of a pipeline affect.", fromfile_prefix_chars="@"
    )
    parser.add_argument("--pipeline", required=True, metavar="PACKAGE", help="the package that declares it")
    parser.add_argument(
        "--config", required=True, help="JSON file of tandem.engine.declare.job_config.JobConfig; a path or a URI"
    )
    parser.add_argument("--report", metavar="NAME", help="store the report in MongoDB under this name, too")
    arguments = parser.parse_args()
    pipeline = load_pipeline(arguments.pipeline)
    remember_java_names()
    spark = SparkSession.builder.appName(f"tandem {pipeline.name} reconcile").getOrCreate()
    config = JobConfig.parse(read_text(spark, arguments.config))
    set_log_levels(spark, config.log_levels)
    try:
        if failure := changed(spark, pipeline, config):
            raise CannotGoOnError(failure.reason)
        report = reconcile(spark, pipeline, config)
        if arguments.report:
            _store(spark, config, arguments.report, report=report)
    except CannotGoOnError as error:
        if arguments.report:
            _store(spark, config, arguments.report, error=str(error))
        # The platforms find the reason in the log by the error's name.
        sys.stderr.write(f"{CannotGoOnError.__name__}: {error}\n")
        sys.exit(MUST_NOT_GO_ON)
    spark.stop()
    sys.stdout.write(json.dumps(report) + "\n")


def _store(
    spark: SparkSession, config: JobConfig, name: str, *, report: dict[str, Any] | None = None, error: str | None = None
) -> None:
    # The report is stored as text, because its keys are names of collections, which may have dots.
    text = None if report is None else json.dumps(report)
    document = {"_id": name, "pipeline": config.pipeline, "report": text, "error": error}
    MongoCollection(spark, config, RECONCILIATION_COLLECTION).insert(document)


def reconcile(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> dict[str, Any]:
    """Inserts missing documents, removes superseded ones, and repairs aggregates.

    Returns the numbers.

    A repetition changes nothing. Memory is bounded, because Spark spills to disk.

    Returns:
        ``compared``, ``inserted``, ``replaced`` and ``removed``: numbers of documents by collection; empty if the job
        has not committed a batch. ``seconds``: the duration.
    """
    began = time.monotonic()
    progress = newest_progress(MongoCollection(spark, config, PROGRESS_COLLECTION), pipeline.name)
    report: dict[str, Any] = {"compared": {}, "inserted": {}, "replaced": {}, "removed": {}}
    if progress is not None and progress["committed"] and progress["watermark"]:
        watermark = datetime.fromisoformat(progress["watermark"]["$date"])
        _Reconciliation(spark, pipeline, config, progress["committed"], watermark).run(report)
    report["seconds"] = round(time.monotonic() - began, 1)
    return report


class _Reconciliation:
    def __init__(
        self,
        spark: SparkSession,
        pipeline: Pipeline,
        config: JobConfig,
        committed: dict[str, dict[str, int]],
        watermark: datetime,
    ) -> None:
        self._spark, self._config = spark, config
        self._watermark = watermark
        # With this rule, Spark would drop the observation of a plan that turns out to have no rows.
        spark.conf.set("spark.sql.adaptive.optimizer.excludedRules", _PRUNES_EMPTY)
        windowed = [(output, output.window) for output in pipeline.outputs if output.window is not None]
        self._final = [each for each in pipeline.outputs if each.superseded_by is None and each.window is None]
        self._provisional = [(each, each.superseded_by) for each in pipeline.outputs if each.superseded_by is not None]
        self._superseded = Superseded(spark, config)
        rows = as_batch(spark, pipeline, config, committed)
        self._documents = documents_of(pipeline, rows)
        since = partial(complete_since, spark, pipeline, config, committed)
        self._windows = [
            FinalWindows(spark, config, output, window, self._documents[output.collection_name], since, watermark)
            for output, window in windowed
        ]

    def run(self, report: dict[str, Any]) -> None:
        for windows in self._windows:
            windows.repair(report)
        for output in self._final:
            name = output.collection_name
            report["compared"][name], report["inserted"][name] = self._insert(name)
        for output, by in self._provisional:
            overtaken = by.ids(self._documents[by.collection_name], **self._config.parameters)
            report["removed"][output.collection_name] = self._remove(output.collection_name, overtaken)
        self._superseded.forget([output.collection_name for output, _ in self._provisional], self._watermark)

    def _insert(self, collection: str) -> tuple[int, int]:
        """Inserts missing documents.

        Returns the numbers of expected ones, with repeats, and of missing ones.
        """
        compared = Observation()
        expected = self._documents[collection].observe(compared, F.count(F.lit(1)).alias("rows"))
        # A repeated event produces the same document.
        missing = expected.join(self._ids(collection), "_id", "left_anti").dropDuplicates(["_id"])
        missing = missing.persist(StorageLevel.DISK_ONLY)
        try:
            count = missing.count()
            if count:
                for output, by in self._provisional:
                    if by.collection_name == collection:
                        ids = by.ids(missing, **self._config.parameters)
                        self._superseded.note(output.collection_name, ids, self._watermark)
                write_documents(missing, collection, self._config, few=count < FEW)
        finally:
            missing.unpersist()
        return int(compared.get["rows"]), count

    def _remove(self, collection: str, overtaken: DataFrame) -> int:
        """Removes superseded documents and returns their number."""
        wrong = self._ids(collection).join(overtaken.select("_id"), "_id", "left_semi")
        return sum(self._superseded.delete(collection, chunk) for chunk in in_chunks(wrong))

    def _ids(self, collection: str) -> DataFrame:
        return read_collection(self._spark, self._config, collection, "_id string")
