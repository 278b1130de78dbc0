"""Describes the driver's versions, and makes calls to its Java faster.

py4j asks Java about a name each time the name is used. If the name is not a class, such as ``functions`` or ``org``,
Java searches every jar. PySpark does this five hundred times for one small batch.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from py4j.java_gateway import JavaPackage, JVMView
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig

# A class of each connector's jar. Another version of a connector may behave differently with the same Spark.
_CONNECTORS = (
    "org.apache.spark.sql.kafka010.KafkaSourceProvider",
    "org.apache.kafka.clients.consumer.KafkaConsumer",
    "com.mongodb.spark.sql.connector.MongoTableProvider",
    "com.mongodb.client.MongoClient",
    "org.apache.spark.sql.avro.AvroDataToCatalyst",
)


def describe(spark: SparkSession, config: JobConfig) -> dict[str, Any]:
    """Returns the driver's versions, and digests of the connectors and the settings.

    The versions are those of Spark, Java, Scala and Python. Each jar in ``connectors`` has its ``file`` and the first
    16 digits of its ``sha256``. The result contains no secret.
    """
    jvm: Any = spark._jvm
    declared = (
        config.pipeline,
        config.lateness_seconds,
        config.max_clock_skew_seconds,
        sorted(config.parameters.items()),
    )
    return {
        "spark": spark.version,
        "java": jvm.java.lang.System.getProperty("java.version"),
        "scala": jvm.scala.util.Properties.versionNumberString(),
        "python": platform.python_version(),
        "master": spark.sparkContext.master,
        "connectors": [jar for name in _CONNECTORS if (jar := _jar_of(jvm, name))],
        "settings": hashlib.sha256(repr(declared).encode()).hexdigest()[:16],
    }


def _jar_of(jvm: Any, name: str) -> dict[str, str] | None:
    """Returns the jar of a class.

    None if the class is missing or does not come from a file.
    """
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        place = loader.loadClass(name).getProtectionDomain().getCodeSource().getLocation().toString()
        file = Path(unquote(urlparse(place).path))
        return {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()[:16]}
    except (Py4JJavaError, AttributeError, OSError):
        return None


def set_log_levels(spark: SparkSession, levels: Mapping[str, str]) -> None:
    """Sets the levels of Spark's loggers.

    Args:
        spark: the driver's session.
        levels: the levels by the logger's name; ``root`` for the root logger.
    """
    jvm: Any = spark._jvm
    log4j = jvm.org.apache.logging.log4j
    for name, level in levels.items():
        log4j.core.config.Configurator.setLevel("" if name == "root" else name, log4j.Level.toLevel(level))


def remember_java_names() -> None:
    """Makes py4j ask Java only once for each name in this process.

    The answer never changes.
    """
    for asks in (JVMView, JavaPackage):
        _remember(asks)


def _remember(asks: Any) -> None:
    ask = asks.__getattr__
    if getattr(ask, "remembers", False):
        return

    def remembered(self: Any, name: str) -> Any:
        attribute = ask(self, name)
        # Python calls __getattr__ only for names that are not stored here.
        vars(self)[name] = attribute
        return attribute

    remembered.remembers = True  # type: ignore[attr-defined]
    asks.__getattr__ = remembered
