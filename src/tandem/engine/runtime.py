"""What the job really runs on, as its first log line says it."""

from __future__ import annotations

import hashlib
import platform
from typing import Any

from pyspark.sql import SparkSession

from tandem.engine.config import JobConfig


def describe(spark: SparkSession, config: JobConfig) -> dict[str, Any]:
    """Returns the versions of Spark, Java, Scala and Python and a digest of the job's settings, secrets left out."""
    jvm: Any = spark._jvm
    told = (config.pipeline, config.lateness_seconds, config.max_clock_skew_seconds, sorted(config.parameters.items()))
    return {
        "spark": spark.version,
        "java": jvm.java.lang.System.getProperty("java.version"),
        "scala": jvm.scala.util.Properties.versionNumberString(),
        "python": platform.python_version(),
        "master": spark.sparkContext.master,
        "settings": hashlib.sha256(repr(told).encode()).hexdigest()[:16],
    }
