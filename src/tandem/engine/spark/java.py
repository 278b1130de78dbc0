"""Makes PySpark's Java side faster and sets its log levels.

py4j asks Java each time that a name is used, and Java looks for what is no class in every jar: ``functions`` in each
package that PySpark imports, ``org`` of a dotted name. PySpark itself does so five hundred times for one small batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py4j.java_gateway import JavaPackage, JVMView
from pyspark.sql import SparkSession


def set_log_levels(spark: SparkSession, levels: Mapping[str, str]) -> None:
    """Sets from which level on Spark's loggers log.

    Args:
        spark: in whose driver.
        levels: levels by the logger's name; ``root`` for the root logger.
    """
    jvm: Any = spark._jvm
    log4j = jvm.org.apache.logging.log4j
    for name, level in levels.items():
        log4j.core.config.Configurator.setLevel("" if name == "root" else name, log4j.Level.toLevel(level))


def remember_java_names() -> None:
    """Makes py4j ask once for each name, in this process. What is a class or a package stays one."""
    for asks in (JVMView, JavaPackage):
        _remember(asks)


def _remember(asks: Any) -> None:
    ask = asks.__getattr__
    if getattr(ask, "remembers", False):
        return

    def remembered(self: Any, name: str) -> Any:
        found = ask(self, name)
        # Python asks __getattr__ only for what is not here.
        vars(self)[name] = found
        return found

    remembered.remembers = True  # type: ignore[attr-defined]
    asks.__getattr__ = remembered
