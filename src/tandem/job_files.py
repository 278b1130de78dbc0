"""Writes the files of a driver: Spark's settings, logging, configuration."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from tandem import engine
from tandem.catalog import PipelineLocation
from tandem.engine.declare.avro_schema import JAVA_LIMITS
from tandem.engine.declare.job_config import JobConfig, KafkaConfig, MongoConfig
from tandem.engine.declare.replay_range import ReplayRange
from tandem.settings.model import KafkaSettings, MongoSettings, Settings

# The programs to submit. The first one is named after the optional module of a pipeline.
STREAM, RECONCILE, REPLAY = "join_stream", "reconcile", "replay"
_FILES = {STREAM: "job.py", RECONCILE: "batch.py", REPLAY: "batch.py"}
_ENGINE = Path(engine.__file__).parent / "submitted"
_Connection = TypeVar("_Connection", KafkaConfig, MongoConfig)
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
TASKS_JAVA_OPTIONS = "spark.executor.extraJavaOptions"
# Hadoop's local file system starts a chmod process for every checkpoint file; this one does not.
_LOCAL_CHECKPOINT = {
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
}

# Data that does not fit into the heap spills to disk; small partitions avoid that.
_BATCH = {
    "spark.master": "local[*]",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
    "spark.sql.shuffle.partitions": "32",
    "spark.ui.enabled": "false",
}

# One line for each event. Both parts are capped: the MongoDB connector's exceptions list every duplicate id of a batch.
LOG_LAYOUTS = {
    "text": """\
appender.err.layout.type = PatternLayout
appender.err.layout.alwaysWriteExceptions = false
appender.err.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS}{UTC}Z %p %c{1} %maxLen{%enc{%m}{CRLF}}{2000} \
%maxLen{%enc{%ex}{CRLF}}{2000}%n
""",
    # With the field names of the job's own lines (`engine.spark.job_log`).
    "json": """\
appender.err.layout.type = JsonTemplateLayout
appender.err.layout.maxStringLength = 2000
appender.err.layout.eventTemplate = {\
"time": {"$resolver": "timestamp", "pattern": {"format": "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "timeZone": "UTC"}}, \
"severity": {"$resolver": "level", "field": "name"}, \
"logger": {"$resolver": "logger", "field": "name"}, \
"message": {"$resolver": "message", "stringified": true}, \
"exception": {"$resolver": "exception", "field": "stackTrace", "stackTrace": {"stringified": true}}}
""",
}
_LOG4J = """\
status = warn
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
rootLogger.level = warn
rootLogger.appenderRef.err.ref = err
logger.tandem.name = tandem
logger.tandem.level = info
# The connector gives it every option twice, in every batch.
logger.options.name = org.apache.spark.sql.util.CaseInsensitiveStringMap
logger.options.level = error
# Each client logs each attempt to reach an absent broker. Keep a few lines, then one a minute.
logger.kafka.name = org.apache.kafka.clients
logger.kafka.filter.burst.type = BurstFilter
logger.kafka.filter.burst.level = WARN
logger.kafka.filter.burst.rate = 0.017
logger.kafka.filter.burst.maxBurst = 5
# Plans are shortened on purpose: spark.sql.debug.maxToStringFields.
logger.strings.name = org.apache.spark.util.SparkStringUtils
logger.strings.level = error
# Cache misses after a restart are expected.
logger.state.name = org.apache.spark.sql.execution.streaming.state
logger.state.level = error
# The sink expects duplicates on insert, but these loggers report each as an error. The query reports its own failure.
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


def write_job_files(
    folder: Path,
    settings: Settings,
    *,
    checkpoint: str,
    spark: Mapping[str, str],
    failure_file: str | None = None,
) -> None:
    """Writes all files that the driver reads.

    Each is replaced atomically, because a driver may start meanwhile.

    Args:
        folder: an existing folder.
        settings: the profile's settings; its Spark settings win over ``spark``.
        checkpoint: the folder of all pipelines' checkpoints, any URI that Hadoop can write.
        spark: the platform's Spark settings.
        failure_file: as for ``JobConfig``.
    """
    local = _LOCAL_CHECKPOINT if checkpoint.startswith("file:") else {}
    own = with_limits({**local, **spark, **settings.spark})
    own[_JAVA_OPTIONS] = f"{own[_JAVA_OPTIONS]} {quoted(logging_option(folder / 'log4j2.properties'))}"
    _replace(folder / "spark.conf", java_properties(own))
    _replace(folder / "log4j2.properties", _LOG4J + LOG_LAYOUTS[settings.log.format])
    config = replace(job_config(settings, checkpoint), failure_file=failure_file)
    _replace(folder / "job.json", config.to_json())


def _replace(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(file)


def with_limits(spark: Mapping[str, str]) -> dict[str, str]:
    """Returns Spark's settings with Java's limits for untrusted records."""
    options = (_JAVA_OPTIONS, TASKS_JAVA_OPTIONS)
    return {**spark, **{name: f"{spark.get(name, '')} {JAVA_LIMITS}".strip() for name in options}}


def for_batch(settings: Settings) -> Settings:
    """Returns the settings of a short-lived driver with a small heap."""
    return settings.model_copy(update={"spark": {**settings.spark, **_BATCH}})


@dataclass(frozen=True)
class Submitted:
    """A program to submit to Spark.

    Attributes:
        file: the Python file, of the pipeline or of the engine.
        arguments: the arguments that name the pipeline to a file of the engine.
    """

    file: Path
    arguments: tuple[str, ...]

    def command(self, folder: Path) -> tuple[str, ...]:
        """Returns the file with all its arguments, given the folder of ``write_job_files``."""
        return (str(self.file), *self.arguments, *driver_arguments(folder))


def driver_arguments(folder: Path) -> tuple[str, ...]:
    """Returns every driver's arguments, given the folder of ``write_job_files``."""
    return ("--config", str(folder / "job.json"))


def submitted(location: PipelineLocation, entry: str) -> Submitted:
    """Returns the program to submit: the stream or the batch."""
    own = location.file(entry)
    if entry == STREAM and own.is_file():
        return Submitted(own, ())
    return Submitted(_ENGINE / _FILES[entry], ("--pipeline", location.package))


def replay_arguments(span: ReplayRange) -> tuple[str, ...]:
    """Returns the further arguments of ``REPLAY``."""
    return ("--replay", span.to_json())


def driver_environment(folder: Path, spark: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that pass Spark's settings to a Python driver.

    Args:
        folder: the folder of ``write_job_files``.
        spark: further settings; they override those in the folder.
    """
    options = [word for name, value in spark.items() for word in ("--conf", f"{name}={value}")]
    arguments = ("--properties-file", str(folder / "spark.conf"), *options, "pyspark-shell")
    return {"PYSPARK_SUBMIT_ARGS": shlex.join(arguments)}


def job_config(settings: Settings, checkpoint: str) -> JobConfig:
    """Returns the job's configuration.

    Args:
        settings: the profile's settings.
        checkpoint: the folder of all pipelines' checkpoints.
    """
    return JobConfig(
        pipeline=settings.pipeline,
        kafka=_connection(KafkaConfig, settings.kafka),
        mongo=_connection(MongoConfig, settings.mongo),
        checkpoint=f"{checkpoint}/{settings.pipeline}",
        **settings.job.model_dump(),
        log_format=settings.log.format,
        metadata_url=settings.gcp.metadata_url,
        secret_manager_url=settings.gcp.secret_manager_url,
    )


def _connection(kind: type[_Connection], section: KafkaSettings | MongoSettings) -> _Connection:
    """Returns the job's part of a section, with the job's reference to the password."""
    values = section.model_dump(mode="json", include={field.name for field in fields(kind)})
    return kind(**{**values, "password": section.job_password or section.password})


def java_properties(values: Mapping[str, str]) -> str:
    """Returns the text of a file of Spark's settings."""
    return "".join(f"{key} {escaped(value)}\n" for key, value in sorted(values.items()))


def escaped(value: str) -> str:
    """Returns a value escaped for a properties file, which Java reads as Latin-1."""
    # JSON has the same escapes; a quotation mark needs none here.
    return json.dumps(value)[1:-1].replace('\\"', '"')


def quoted(option: str) -> str:
    """Returns one of Java's options as one word of a Spark setting."""
    escaped_option = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped_option}"'


def logging_option(file: Path) -> str:
    """Returns the option that sets Log4j's configuration.

    Log4j reads a URI; it would misread ``%``, ``#`` and ``?`` in a plain path.
    """
    return f"-Dlog4j2.configurationFile={file.as_uri()}"


def temporary_folder(folder: Path) -> str:
    """Returns the option that sets Java's folder for temporary files.

    Compression codecs and RocksDB load native code from there, which a /tmp mounted ``noexec`` refuses.
    """
    return f"-Djava.io.tmpdir={folder}"
