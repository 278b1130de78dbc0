"""Starts Spark in this process with the profile's settings and Tandem's jars."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

from tandem.errors import UsageError
from tandem.job_files import for_batch
from tandem.local_spark.local_spark import LocalSpark, configure
from tandem.settings.model import Settings


def start_spark(settings: Settings, folder: Path) -> SparkSession:
    """Returns a local Spark session, or the running one of an earlier call.

    Args:
        settings: the profile's settings.
        folder: an empty folder for Spark's configuration and temporary data.

    Raises:
        EnvironmentNotReadyError: there is no Java, or the jars cannot be fetched.
        UsageError: this process runs another Spark.
    """
    if is_remote():
        raise UsageError(
            "this process uses Spark Connect, and a session runs Spark itself",
            hint="unset SPARK_CONNECT_MODE_ENABLED and SPARK_REMOTE, and restart the kernel or the shell",
        )
    local = LocalSpark.find(settings)
    configure(for_batch(settings), folder, folder)
    with _environment(local.prepare(settings, folder)):
        spark = SparkSession.builder.appName(f"tandem {settings.pipeline} session").getOrCreate()
    # A process has one Java, whose class path cannot change.
    if str(local.jars[0]) not in str(spark.conf.get("spark.driver.extraClassPath", "")):
        raise UsageError(
            "a Spark without Tandem's jars runs in this process",
            hint="restart the kernel or the shell, and open the session first",
        )
    return spark


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Replaces environment variables while Spark starts."""
    before = dict(os.environ)
    try:
        _change(variables)
        yield
    finally:
        _change(before)


def _change(variables: Mapping[str, str]) -> None:
    # The environment is never empty, because other threads may read it.
    os.environ.update(variables)
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
