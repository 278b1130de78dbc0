"""Writes the settings of a cluster's image, adapted to this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tandem.job_files import LOG_LAYOUTS, java_properties, quoted
from tandem.settings.model import Settings
from tandem_rehearsal.credentials import Credentials

# Hadoop 3.5 gives these a unit, which this version of the connector cannot read.
_WITHOUT_UNITS = {
    "fs.gs.block.size": "67108864",
    "fs.gs.rewrite.max.chunk.size": "536870912",
    "fs.gs.outputstream.buffer.size": "8388608",
    "fs.gs.outputstream.pipe.buffer.size": "1048576",
    "fs.gs.outputstream.upload.chunk.size": "25165824",
    "fs.gs.inputstream.inplace.seek.limit": "8388608",
    "fs.gs.inputstream.min.range.request.size": "2097152",
}
_LOGGING = """\
status = warn
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
rootLogger.appenderRef.err.ref = err
"""


def write_image(folder: Path, settings: Settings, credentials: Credentials, connector: Path, scratch: Path) -> Path:
    """Returns the file of Spark's defaults.

    Args:
        folder: an existing folder.
        settings: the profile's settings.
        credentials: the certificates that Java trusts.
        connector: Hadoop's file system for gs://.
        scratch: the folder for Spark's spills.
    """
    google = settings.gcp
    storage = {
        "fs.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
        "fs.AbstractFileSystem.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFS",
        "fs.gs.project.id": google.project or "",
        "fs.gs.storage.root.url": f"{google.storage_url}/",
        "fs.gs.auth.type": "UNAUTHENTICATED",
        # The stand-in has neither.
        "fs.gs.operation.move.enable": "false",
        "fs.gs.hierarchical.namespace.folders.enable": "false",
        **_WITHOUT_UNITS,
    }
    trust = f"{quoted(f'-Djavax.net.ssl.trustStore={credentials.trust_store}')} -Djavax.net.ssl.trustStoreType=PKCS12"
    spark = {
        # One driver with the executor's threads in it, in YARN's place.
        "spark.master": "local[*]",
        "spark.driver.memory": "2g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraClassPath": str(connector),
        "spark.driver.defaultJavaOptions": trust,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": f"file://{scratch}/warehouse",
        "spark.ui.port": str(settings.ui.spark_port),
    }
    file = folder / "image.conf"
    file.write_text(java_properties({**spark, **{f"spark.hadoop.{key}": value for key, value in storage.items()}}))
    return file


def write_logging(file: Path, levels: Mapping[str, str]) -> None:
    """Writes the driver's logging configuration.

    Args:
        file: the file to write.
        levels: levels by the logger's name; ``root`` for the root logger.
    """
    lines = [f"rootLogger.level = {levels.get('root', 'INFO')}"]
    for number, (name, level) in enumerate(item for item in sorted(levels.items()) if item[0] != "root"):
        lines += [f"logger.l{number}.name = {name}", f"logger.l{number}.level = {level}"]
    file.write_text(_LOGGING + LOG_LAYOUTS["text"] + "\n".join(lines) + "\n", "utf-8")
