"""What the job itself looks up in its checkpoint, wherever that is."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.spark.file_system import exists, read_text

# Spark's file of a batch's offsets: a version, this line with what holds for the whole batch, then a line for each
# source, or this one where a source had nothing yet.
_ABOUT, _NOTHING = 1, "-"


def last_committed(spark: SparkSession, config: JobConfig) -> int | None:
    """Returns the number of the batch that was committed last, or None when none was."""
    return _last(spark, f"{config.checkpoint}/commits")


def last_planned(spark: SparkSession, config: JobConfig) -> int | None:
    """Returns the number of the batch that was planned last, or None when none was: the checkpoint is new."""
    return _last(spark, f"{config.checkpoint}/offsets")


def _last(spark: SparkSession, location: str) -> int | None:
    jvm: Any = spark._jvm
    folder = jvm.org.apache.hadoop.fs.Path(location)
    system = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    if not system.exists(folder):
        return None
    names = [entry.getPath().getName() for entry in system.listStatus(folder)]
    return max((int(name) for name in names if name.isdigit()), default=None)


def checkpoint_id(spark: SparkSession, config: JobConfig) -> str | None:
    """Returns the id that Spark gave the checkpoint when it was new; None before its first query starts.

    Raises:
        OSError, Py4JJavaError: its file cannot be read.
        ValueError, LookupError: its file is damaged.
    """
    location = f"{config.checkpoint}/metadata"
    return str(json.loads(read_text(spark, location))["id"]) if exists(spark, location) else None


def is_committed(spark: SparkSession, config: JobConfig, batch_id: int) -> bool:
    """Returns whether a batch is committed. When it is one that still runs here, another driver has done it.

    Batches are committed in order, and Spark purges old commits: the last one tells of all that came before it.
    """
    last = last_committed(spark, config)
    return last is not None and last >= batch_id


class Planned(NamedTuple):
    """What Spark notes of a batch before it begins.

    Attributes:
        offsets: the next one to read after it, by topic and partition.
        at_ms: when Spark planned it, in milliseconds since the epoch; a batch that is done again keeps it.
        watermark_ms: by which it drops records and closes windows, in milliseconds since the epoch; 0 for none.
        spark: the Spark settings that the checkpoint keeps from its first start on, such as the format of its state.
    """

    offsets: dict[str, dict[str, int]]
    watermark_ms: int
    at_ms: int
    spark: dict[str, str]


def planned(spark: SparkSession, config: JobConfig, batch_id: int) -> Planned:
    """Returns what is noted of a batch.

    Raises:
        OSError, Py4JJavaError: there is no such batch, or its file cannot be read.
        ValueError, LookupError: its file is damaged.
    """
    lines = read_text(spark, f"{config.checkpoint}/offsets/{batch_id}").splitlines()
    offsets: dict[str, dict[str, int]] = {}
    for line in lines[_ABOUT + 1 :]:
        if line != _NOTHING:
            offsets |= json.loads(line)
    about = json.loads(lines[_ABOUT])
    return Planned(offsets, int(about["batchWatermarkMs"]), int(about["batchTimestampMs"]), about.get("conf", {}))
