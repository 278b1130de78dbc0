"""The job's driver: its configuration files and its command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tandem.artifacts.ivy import spark_jars
from tandem.platforms.embedded.class_archive import ClassArchive
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.prepare import Tools, child_environment
from tandem.platforms.embedded.service import Program
from tandem.platforms.job_files import driver_arguments, driver_environment, entry_module, write_job_files
from tandem.platforms.progress import ProgressReader
from tandem.settings.model import Settings
from tandem.waiting import NotYetError


def program(settings: Settings, tools: Tools, layout: Layout) -> Program:
    """Returns the driver; it is up when it has reported its start."""
    reader = ProgressReader(settings.mongo, settings.pipeline)
    archive = ClassArchive(settings.cache_dir, tools.java, (spark_jars(), *tools.jars["spark"]))

    def probe(pid: int) -> None:
        newest = reader.newest()
        if newest is None or newest["pid"] != pid or newest["event"] == "failed":
            raise NotYetError("it has not reported its start")

    return Program(
        name="job",
        command=(sys.executable, str(entry_module(settings.pipeline)), *driver_arguments(layout.conf)),
        env=child_environment(
            tools.java,
            **driver_environment(layout.conf),
            PYSPARK_PYTHON=sys.executable,
            PYTHONUNBUFFERED="1",
            SPARK_LOCAL_IP="127.0.0.1",
        ),
        write=lambda: write_configuration(settings, tools.jars["spark"], layout, archive.options()),
        probe=probe,
        retry_on=(),
        settle=lambda: None,
        start_deadline_s=180,
        stop_deadline_s=30,
        linger_s=archive.linger_s,
        on_ended=archive.keep,
    )


def write_configuration(settings: Settings, jars: Sequence[Path], layout: Layout, java_options: str) -> None:
    """Writes all that the driver reads, with what this platform decides."""
    classpath = ":".join(map(str, jars))
    own = {
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.driver.defaultJavaOptions": java_options,
        "spark.local.dir": str(layout.scratch),
        "spark.sql.warehouse.dir": f"file://{layout.scratch}/warehouse",
        "spark.ui.port": str(settings.ui.spark_port),
    }
    # Not Path.as_uri(): Hadoop takes a percent sign for itself.
    write_job_files(layout.conf, settings, checkpoint=f"file://{layout.checkpoint}", spark=own)
