"""Files of any file system that Spark can reach: a path of this machine, or a URI such as ``gs://bucket/name``."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

_LOOK_S = 0.05


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


def write_text(spark: SparkSession, location: str, text: str) -> None:
    """Writes a file in UTF-8, in place of the one that is there; its folders are created.

    A driver that dies meanwhile leaves the old file, none, or the whole new one.

    Raises:
        OSError, Py4JJavaError: it cannot be written.
    """
    system, path = _found(spark, location)
    part = path.suffix(".part")
    stream = system.create(part, True)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()
    system.delete(path, False)
    if not system.rename(part, path):
        raise OSError(f"{location} cannot be written")


def exists(spark: SparkSession, location: str) -> bool:
    """Returns whether there is such a file.

    Raises:
        Py4JJavaError: the file system does not answer.
    """
    system, path = _found(spark, location)
    return bool(system.exists(path))


def appeared(spark: SparkSession, location: str, given_up: threading.Event) -> bool:
    """Returns True once there is such a file, or False once it is no longer waited for.

    Args:
        spark: the session by whose file systems it is looked for.
        location: the file's path or URI; near by, for it is looked for many times a second.
        given_up: set when nobody waits any more.

    Raises:
        Py4JJavaError: the file system does not answer.
    """
    while not given_up.is_set():
        if exists(spark, location):
            return True
        given_up.wait(_LOOK_S)
    return False


def _found(spark: SparkSession, location: str) -> tuple[Any, Any]:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(location)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()), path
