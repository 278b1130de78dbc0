"""Files of any file system that Spark can reach: a path of this machine, or a URI such as ``gs://bucket/name``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession


def read_text(spark: SparkSession, location: str) -> str:
    """Returns a file's text, which is UTF-8.

    Raises:
        OSError, Py4JJavaError: it cannot be read.
    """
    if "://" not in location:
        return Path(location).read_text("utf-8")
    system, path = _found(spark, location)
    stream = system.open(path)
    try:
        return bytes(stream.readAllBytes()).decode()
    finally:
        stream.close()


def exists(spark: SparkSession, location: str) -> bool:
    """Returns whether there is such a file.

    Raises:
        Py4JJavaError: the file system does not answer.
    """
    system, path = _found(spark, location)
    return bool(system.exists(path))


def _found(spark: SparkSession, location: str) -> tuple[Any, Any]:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(location)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()), path
