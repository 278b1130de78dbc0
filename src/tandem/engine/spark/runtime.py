"""What the job really runs on, as its first log line says it."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig

# A class of each jar by which the job reads and writes. Another version may behave otherwise, whatever Spark's is.
_CONNECTORS = (
    "org.apache.spark.sql.kafka010.KafkaSourceProvider",
    "org.apache.kafka.clients.consumer.KafkaConsumer",
    "com.mongodb.spark.sql.connector.MongoTableProvider",
    "com.mongodb.client.MongoClient",
    "org.apache.spark.sql.avro.AvroDataToCatalyst",
)


def describe(spark: SparkSession, config: JobConfig) -> dict[str, Any]:
    """Returns the versions of Spark, Java, Scala and Python, and digests of the connectors and the settings.

    Under ``connectors`` each jar has its ``file`` and the first 16 digits of its ``sha256``. No secret is told.
    """
    jvm: Any = spark._jvm
    told = (config.pipeline, config.lateness_seconds, config.max_clock_skew_seconds, sorted(config.parameters.items()))
    return {
        "spark": spark.version,
        "java": jvm.java.lang.System.getProperty("java.version"),
        "scala": jvm.scala.util.Properties.versionNumberString(),
        "python": platform.python_version(),
        "master": spark.sparkContext.master,
        "connectors": [jar for name in _CONNECTORS if (jar := _jar_of(jvm, name))],
        "settings": hashlib.sha256(repr(told).encode()).hexdigest()[:16],
    }


def _jar_of(jvm: Any, name: str) -> dict[str, str] | None:
    """Returns the jar that a class is from; None where the class is not there, or not from a file."""
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        place = loader.loadClass(name).getProtectionDomain().getCodeSource().getLocation().toString()
        file = Path(unquote(urlparse(place).path))
        return {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()[:16]}
    except (Py4JJavaError, AttributeError, OSError):
        return None
