"""The driver's Java loggers, where nothing but the job itself can say how they log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession


def set_levels(spark: SparkSession, levels: Mapping[str, str]) -> None:
    """Sets from which level on Spark's loggers log.

    Args:
        spark: in whose driver.
        levels: by the logger's name, the root's being ``root``.
    """
    jvm: Any = spark._jvm
    log4j = jvm.org.apache.logging.log4j
    for name, level in levels.items():
        log4j.core.config.Configurator.setLevel("" if name == "root" else name, log4j.Level.toLevel(level))
