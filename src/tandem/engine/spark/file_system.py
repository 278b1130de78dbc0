"""Reads and writes files of Spark's file systems.

They are local paths, or URIs such as ``gs://bucket/name``.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

_LOOK_S = 0.05


def local_path(location: str) -> Path | None:
    """Returns the path of a local file's URI; None for another file system.

    Python reads it without calls to Java, each of which takes time.
    """
    # Not decoded, because Hadoop does not decode percent signs either.
    scheme, _, path = location.partition("://")
    return Path(path) if scheme == "file" else None


def read_text(spark: SparkSession, location: str) -> str:
    """Returns the text of a file in UTF-8.

    Raises:
        OSError, Py4JJavaError: the file cannot be read.
    """
    if "://" not in location:
        return Path(location).read_text("utf-8")
    if local := local_path(location):
        with suppress(OSError):  # Hadoop fails, too, with the error that callers expect
            return local.read_text("utf-8")
    system, path = _found(spark, location)
    stream = system.open(path)
    try:
        return bytes(stream.readAllBytes()).decode()
    finally:
        stream.close()


def write_text(spark: SparkSession, location: str, text: str) -> None:
    """Writes a file in UTF-8, replaces an existing one, and creates its folders.

    If the driver dies meanwhile, there is the old file, no file, or the complete new one.

    Raises:
        OSError, Py4JJavaError: the file cannot be written.
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
    """Returns whether a file exists.

    Raises:
        Py4JJavaError: the file system does not answer.
    """
    system, path = _found(spark, location)
    return bool(system.exists(path))


def appeared(spark: SparkSession, location: str, given_up: threading.Event) -> bool:
    """Waits for a file; returns True once it exists, or False once ``given_up`` is set.

    Args:
        spark: the session, whose file systems find the file.
        location: the file's path or URI. It must be fast to reach, because it is checked many times a second.
        given_up: set to end the wait.

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
