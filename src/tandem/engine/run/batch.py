"""Reconciles a pipeline, or replays a range of its records, as a batch."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import MUST_NOT_GO_ON, JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.declare.replay_range import ReplayRange
from tandem.engine.declare.stream import BATCH_COLLECTION
from tandem.engine.run.checkpoint_compatibility import changed
from tandem.engine.run.pipeline_loader import load_pipeline, send_by_value
from tandem.engine.run.reconcile import reconcile
from tandem.engine.run.replay import replay
from tandem.engine.spark.failure import CannotGoOnError
from tandem.engine.spark.file_system import read_text
from tandem.engine.spark.jvm import remember_java_names, set_log_levels
from tandem.engine.spark.mongo_client import MongoCollection


def main() -> None:
    """Reconciles or replays a pipeline, and prints the report as one line of JSON.

    ``--pipeline`` names it, and ``--config`` has its configuration. ``--replay`` has the range to replay.

    With ``--report NAME`` it also stores the report, or why it failed, in MongoDB under that name.
    """
    parser = argparse.ArgumentParser(
        description="Repairs documents that late records of a pipeline affect, or replays records.",
        fromfile_prefix_chars="@",
    )
    parser.add_argument("--pipeline", required=True, metavar="PACKAGE", help="the package that declares it")
    parser.add_argument(
        "--config", required=True, help="JSON file of tandem.engine.declare.job_config.JobConfig; a path or a URI"
    )
    parser.add_argument(
        "--replay",
        metavar="RANGE",
        type=ReplayRange.parse,
        help="replay the records of this tandem.engine.declare.replay_range.ReplayRange, as JSON",
    )
    parser.add_argument("--report", metavar="NAME", help="store the report in MongoDB under this name, too")
    arguments = parser.parse_args()
    pipeline = load_pipeline(arguments.pipeline)
    # The executors' machines may have the code of the running job, which may be older.
    send_by_value(arguments.pipeline)
    span: ReplayRange | None = arguments.replay
    remember_java_names()
    what = "reconcile" if span is None else "replay"
    spark = SparkSession.builder.appName(f"tandem {pipeline.name} {what}").getOrCreate()
    config = JobConfig.parse(read_text(spark, arguments.config))
    set_log_levels(spark, config.log_levels)
    try:
        report = run(spark, pipeline, config, span)
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


def run(spark: SparkSession, pipeline: Pipeline, config: JobConfig, span: ReplayRange | None) -> dict[str, Any]:
    """Returns the report of the replay of a range, or of reconcile without one.

    Raises:
        CannotGoOnError: the settings are not those of the checkpoint, or the pipeline does not allow it.
    """
    # A set of its own has no checkpoint, so a version with other settings may write it.
    if (span is None or not span.into) and (failure := changed(spark, pipeline, config)):
        raise CannotGoOnError(failure.reason)
    if span is None:
        return reconcile(spark, pipeline, config)
    # The configuration may be of the job's last start, and the range of now.
    return replay(spark, pipeline, replace(config, **span.settings), span)


def _store(
    spark: SparkSession, config: JobConfig, name: str, *, report: dict[str, Any] | None = None, error: str | None = None
) -> None:
    # The report is stored as text, because its keys are names of collections, which may have dots.
    text = None if report is None else json.dumps(report)
    document = {"_id": name, "pipeline": config.pipeline, "report": text, "error": error}
    MongoCollection(spark, config, BATCH_COLLECTION).insert(document)
