"""What the job itself looks up in its checkpoint, wherever that is."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from tandem.engine.config import JobConfig
from tandem.engine.files import exists


def last_committed(spark: SparkSession, config: JobConfig) -> int | None:
    """Returns the number of the batch that was committed last, or None when none was."""
    jvm: Any = spark._jvm
    folder = jvm.org.apache.hadoop.fs.Path(f"{config.checkpoint}/commits")
    system = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    if not system.exists(folder):
        return None
    names = [entry.getPath().getName() for entry in system.listStatus(folder)]
    return max((int(name) for name in names if name.isdigit()), default=None)


def is_committed(spark: SparkSession, config: JobConfig, batch_id: int) -> bool:
    """Returns whether a batch is committed. When it is one that still runs here, another driver has done it."""
    return exists(spark, f"{config.checkpoint}/commits/{batch_id}")
