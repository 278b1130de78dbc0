"""Reads batches, offsets and settings from the job's checkpoint."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.spark.file_system import exists, local_path, read_text

# Lines of Spark's file of a batch's offsets: a version, a line about the whole batch at this index, then a line for
# each source, or this text for a source that had no records yet.
_ABOUT, _NOTHING = 1, "-"
# The next offset to read, by topic and partition.
Offsets = dict[str, dict[str, int]]


def last_committed(spark: SparkSession, config: JobConfig) -> int | None:
    """Returns the number of the last committed batch; None if there is none."""
    return _last(spark, f"{config.checkpoint}/commits")


def last_planned(spark: SparkSession, config: JobConfig) -> int | None:
    """Returns the number of the last planned batch; None if the checkpoint is new."""
    return _last(spark, f"{config.checkpoint}/offsets")


def _last(spark: SparkSession, location: str) -> int | None:
    return max((int(name) for name in _names(spark, location) if name.isdigit()), default=None)


def _names(spark: SparkSession, location: str) -> list[str]:
    """Returns the names of a folder's files; none if it does not exist."""
    if local := local_path(location):
        with suppress(OSError):  # it may not exist, or Hadoop fails, too
            return [file.name for file in local.iterdir()]
    jvm: Any = spark._jvm
    folder = jvm.org.apache.hadoop.fs.Path(location)
    system = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    if not system.exists(folder):
        return []
    # Each call to Java takes time, and each batch does this. So one call returns the names of all files.
    paths = jvm.org.apache.hadoop.fs.FileUtil.stat2Paths(system.listStatus(folder))
    lines = jvm.scala.collection.immutable.ArraySeq.unsafeWrapArray(paths).mkString("\n").split("\n")
    return [line.rpartition("/")[2] for line in lines]


def checkpoint_id(spark: SparkSession, config: JobConfig) -> str | None:
    """Returns the id that Spark gave the checkpoint when it was new.

    None before its first query starts.

    Raises:
        OSError, Py4JJavaError: its file cannot be read.
        ValueError, LookupError: its file is damaged.
    """
    location = f"{config.checkpoint}/metadata"
    return str(json.loads(read_text(spark, location))["id"]) if exists(spark, location) else None


def is_committed(spark: SparkSession, config: JobConfig, batch_id: int) -> bool:
    """Returns whether a batch is committed.

    If it still runs here, another driver has committed it.

    Batches are committed in order, and Spark purges old commits. So a batch is committed if a later one is.
    """
    last = last_committed(spark, config)
    return last is not None and last >= batch_id


class Planned(NamedTuple):
    """The plan of a batch, which Spark writes before the batch begins.

    Attributes:
        offsets: the next offset to read after the batch, by topic and partition.
        at_ms: when Spark planned the batch, in milliseconds since the epoch; a repeated batch keeps the time.
        watermark_ms: the watermark for late records and windows, in milliseconds since the epoch; 0 for none.
        spark: the Spark settings that the checkpoint's first start has fixed, such as the format of the state.
    """

    offsets: Offsets
    watermark_ms: int
    at_ms: int
    spark: dict[str, str]


def planned(spark: SparkSession, config: JobConfig, batch_id: int) -> Planned:
    """Returns the plan of a batch.

    Raises:
        OSError, Py4JJavaError: there is no such batch, or its file cannot be read.
        ValueError, LookupError: its file is damaged.
    """
    lines = read_text(spark, f"{config.checkpoint}/offsets/{batch_id}").splitlines()
    offsets: Offsets = {}
    for line in lines[_ABOUT + 1 :]:
        if line != _NOTHING:
            offsets |= json.loads(line)
    about = json.loads(lines[_ABOUT])
    return Planned(offsets, int(about["batchWatermarkMs"]), int(about["batchTimestampMs"]), about.get("conf", {}))
