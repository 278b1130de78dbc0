"""The job's driver: its configuration files and its command."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tandem.engine.config import JobConfig
from tandem.errors import UsageError
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.prepare import Tools, child_environment
from tandem.platforms.embedded.service import Program
from tandem.platforms.progress import ProgressReader
from tandem.settings.model import Settings
from tandem.waiting import NotYetError

# One line for each event. Both parts are capped: the MongoDB connector's exceptions list every duplicate id of a batch.
_LOG4J = """\
status = warn
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.alwaysWriteExceptions = false
appender.err.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS}{UTC}Z %p %c{1} %maxLen{%enc{%m}{CRLF}}{2000} \
%maxLen{%enc{%ex}{CRLF}}{2000}%n
rootLogger.level = warn
rootLogger.appenderRef.err.ref = err
logger.tandem.name = tandem
logger.tandem.level = info
# The connector gives it every option twice, in every batch.
logger.options.name = org.apache.spark.sql.util.CaseInsensitiveStringMap
logger.options.level = error
# Its cache misses after a restart are no news.
logger.state.name = org.apache.spark.sql.execution.streaming.state
logger.state.level = error
# An insert that meets duplicates is part of the sink's work; these would each tell it as an error. What fails the query
# is told by the query.
logger.task.name = org.apache.spark.executor.Executor
logger.task.level = off
logger.tasks.name = org.apache.spark.scheduler.TaskSetManager
logger.tasks.level = off
logger.write.name = org.apache.spark.sql.execution.datasources.v2
logger.write.level = off
logger.utils.name = org.apache.spark.util.Utils
logger.utils.level = off
logger.scheduler.name = org.apache.spark.scheduler.DAGScheduler
logger.scheduler.level = error
"""


def program(settings: Settings, tools: Tools, layout: Layout) -> Program:
    """Returns the driver; it is up when it has reported its start."""
    reader = ProgressReader(settings.mongo, settings.pipeline)

    def probe(pid: int) -> None:
        newest = reader.newest()
        if newest is None or newest["pid"] != pid or newest["event"] == "failed":
            raise NotYetError("it has not reported its start")

    return Program(
        name="job",
        command=(sys.executable, str(entry_module(settings.pipeline)), "--config", str(layout.conf / "job.json")),
        env=child_environment(
            tools.java,
            SPARK_CONF_DIR=str(layout.conf),
            PYSPARK_PYTHON=sys.executable,
            PYTHONUNBUFFERED="1",
            SPARK_LOCAL_IP="127.0.0.1",
        ),
        write=lambda: write_configuration(settings, tools.jars["spark"], layout),
        probe=probe,
        retry_on=(),
        settle=lambda: None,
        start_deadline_s=180,
        stop_deadline_s=30,
    )


def entry_module(pipeline: str) -> Path:
    """Returns the file that is submitted.

    Raises:
        UsageError: there is no such pipeline.
    """
    spec = importlib.util.find_spec(f"tandem.pipelines.{pipeline}")
    if spec is None or spec.origin is None:
        raise UsageError(f"there is no pipeline {pipeline!r}", hint="a pipeline is a folder in tandem/pipelines")
    return Path(spec.origin).parent / "join_stream.py"


def write_configuration(settings: Settings, jars: Sequence[Path], layout: Layout) -> None:
    """Writes all that the driver reads: Spark's defaults, its logging and the job's own file."""
    (layout.conf / "spark-defaults.conf").write_text(spark_defaults(settings, jars, layout), "utf-8")
    (layout.conf / "log4j2.properties").write_text(_LOG4J, "utf-8")
    (layout.conf / "job.json").write_text(job_config(settings, layout).to_json(), "utf-8")


def job_config(settings: Settings, layout: Layout) -> JobConfig:
    """Returns what the job is told."""
    return JobConfig(
        pipeline=settings.pipeline,
        bootstrap=settings.kafka.bootstrap,
        kafka_options={},
        mongo_uri=settings.mongo.uri,
        database=settings.mongo.database,
        # Not Path.as_uri(): Hadoop takes a percent sign for itself.
        checkpoint=f"file://{layout.checkpoint}",
        lateness_seconds=settings.job.lateness_seconds,
        max_clock_skew_seconds=settings.job.max_clock_skew_seconds,
        idle_timeout_seconds=settings.job.idle_timeout_seconds,
        parameters=settings.job.parameters,
    )


def spark_defaults(settings: Settings, jars: Sequence[Path], layout: Layout) -> str:
    """Returns spark-defaults.conf: what this platform decides, and over it the profile's own settings."""
    classpath = ":".join(map(str, jars))
    own = {
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.local.dir": str(layout.scratch),
        "spark.sql.warehouse.dir": f"file://{layout.scratch}/warehouse",
        "spark.ui.port": str(settings.ui.spark_port),
    }
    return _java_properties(own | dict(settings.spark))


def _java_properties(values: Mapping[str, str]) -> str:
    # Java reads a backslash in a properties file as the start of an escape.
    return "".join(f"{key} {value.replace(chr(92), chr(92) * 2)}\n" for key, value in sorted(values.items()))
