"""Reads a job's arguments and configuration, loads its pipeline and starts Spark.

A job that cannot even do that says why, and whether a restart can help.
"""

from __future__ import annotations

import argparse
import importlib.util
from contextlib import suppress
from pathlib import Path

from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.run.pipeline_loader import load_pipeline
from tandem.engine.spark.failure import Failure, failure_of_import, failure_of_spark
from tandem.engine.spark.file_system import read_text


class StartError(Exception):
    """The job could not start.

    Attributes:
        failure: why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def parsed(*, names_pipeline: bool) -> argparse.Namespace:
    """Returns the arguments of the command line.

    Args:
        names_pipeline: whether ``--pipeline`` is needed.
    """
    # Arguments may stand in a file, one on each line: @FILE.
    parser = argparse.ArgumentParser(description="Runs the streaming job of a pipeline.", fromfile_prefix_chars="@")
    if names_pipeline:
        parser.add_argument("--pipeline", required=True, metavar="PACKAGE", help="the package that declares it")
    parser.add_argument(
        "--config", required=True, help="JSON file of tandem.engine.declare.job_config.JobConfig; a path or a URI"
    )
    parser.add_argument("--begin-when", metavar="URI", help="start Spark, and the query once this file exists")
    parser.add_argument("--stop-when", metavar="URI", help="stop after the current batch once this file exists")
    parser.add_argument("--fit", action="store_true", help="only check whether the job can resume from its checkpoint")
    return parser.parse_args()


def loaded(package: str) -> Pipeline:
    """Returns the pipeline that a package declares.

    Raises:
        StartError: it cannot be imported.
    """
    try:
        return load_pipeline(package)
    except Exception as error:
        raise StartError(failure_of_import(error, _folder(package))) from error


def session(pipeline: Pipeline) -> SparkSession:
    """Returns a new session for a pipeline.

    Raises:
        StartError: Spark does not start.
    """
    try:
        return SparkSession.builder.appName(f"tandem {pipeline.name}").getOrCreate()
    except Exception as error:
        raise StartError(failure_of_spark(error)) from error


def read_without_spark(config: str) -> JobConfig | None:
    """Returns the configuration; None if only Spark can read it.

    Args:
        config: its path or URI.
    """
    path = Path(config.removeprefix("file://"))
    return JobConfig.parse(path.read_text("utf-8")) if path.is_file() else None


def read_with_spark(spark: SparkSession, config: str) -> JobConfig:
    """Returns the configuration at a path or a URI."""
    return JobConfig.parse(read_text(spark, config))


def _folder(package: str) -> Path | None:
    with suppress(Exception):  # a parent package may be what is broken
        spec = importlib.util.find_spec(package)
        if spec and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0])
    return None
