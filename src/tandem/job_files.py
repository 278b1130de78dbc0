"""What a Spark driver reads when it starts, wherever it runs: Spark's settings, its logging and the job's own file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from tandem import engine
from tandem.catalog import PipelineLocation
from tandem.engine.declare.avro_schema import JAVA_LIMITS
from tandem.engine.declare.job_config import JobConfig, KafkaConfig, MongoConfig
from tandem.settings.model import KafkaSettings, MongoSettings, Settings

# What is submitted: the names that a pipeline's own file has, and the labels of jobs in the cloud.
STREAM, RECONCILE = "join_stream", "reconcile"
_FILES = {STREAM: "job.py", RECONCILE: "reconcile.py"}
_ENGINE = Path(engine.__file__).parent / "submitted"
_Connection = TypeVar("_Connection", KafkaConfig, MongoConfig)
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_TASKS_JAVA_OPTIONS = "spark.executor.extraJavaOptions"
# Hadoop's local file system starts a chmod process for every checkpoint file; this one does not.
_LOCAL_CHECKPOINT = {
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
}

# What does not fit into the heap goes to disk; small partitions keep it from having to.
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
    # With the names that the job's own lines have (`engine.spark.log`).
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
# That a broker is away, each client says for each attempt. A few lines tell it, then one a minute that it still is.
logger.kafka.name = org.apache.kafka.clients
logger.kafka.filter.burst.type = BurstFilter
logger.kafka.filter.burst.level = WARN
logger.kafka.filter.burst.rate = 0.017
logger.kafka.filter.burst.maxBurst = 5
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


def write_job_files(
    folder: Path,
    settings: Settings,
    *,
    checkpoint: str,
    spark: Mapping[str, str],
    failure_file: str | None = None,
) -> None:
    """Writes all that the driver reads.

    Args:
        folder: where to; it exists.
        settings: the profile's; its Spark settings win over ``spark``.
        checkpoint: the folder of all pipelines' checkpoints, any URI that Hadoop can write.
        spark: what the platform decides.
        failure_file: as for ``JobConfig``.
    """
    local = _LOCAL_CHECKPOINT if checkpoint.startswith("file:") else {}
    own = with_limits({**local, **spark, **settings.spark})
    own[_JAVA_OPTIONS] = f'{own[_JAVA_OPTIONS]} "-Dlog4j2.configurationFile=file:{folder}/log4j2.properties"'
    # Spark puts this folder on the class path, where Java's archives of classes allow none that has files in it.
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "spark.conf").write_text(java_properties(own), "utf-8")
    (folder / "log4j2.properties").write_text(_LOG4J + LOG_LAYOUTS[settings.log.format], "utf-8")
    config = replace(job_config(settings, checkpoint), failure_file=failure_file)
    (folder / "job.json").write_text(config.to_json(), "utf-8")


def with_limits(spark: Mapping[str, str]) -> dict[str, str]:
    """Returns Spark's settings, with the limits for what Java believes of a record's own words: everywhere that tasks
    run, in executors or in the driver."""
    options = (_JAVA_OPTIONS, _TASKS_JAVA_OPTIONS)
    return {**spark, **{name: f"{spark.get(name, '')} {JAVA_LIMITS}".strip() for name in options}}


def for_batch(settings: Settings) -> Settings:
    """Returns the settings for a driver that ends by itself and runs beside the job's: a small heap of its own."""
    return settings.model_copy(update={"spark": {**settings.spark, **_BATCH}})


@dataclass(frozen=True)
class Submitted:
    """What is submitted of a pipeline to every Spark.

    Attributes:
        file: the Python file: the pipeline's own one of that name, or the engine's.
        arguments: those that name the pipeline to it; its own file knows it.
    """

    file: Path
    arguments: tuple[str, ...]

    def command(self, folder: Path) -> tuple[str, ...]:
        """Returns the file with all its arguments, given the folder of ``write_job_files``."""
        return (str(self.file), *self.arguments, *driver_arguments(folder))


def driver_arguments(folder: Path) -> tuple[str, ...]:
    """Returns the arguments of every driver, given the folder of ``write_job_files``."""
    return ("--config", str(folder / "job.json"))


def submitted(location: PipelineLocation, entry: str) -> Submitted:
    """Returns what is submitted for the stream (``STREAM``) or the batch that repairs it (``RECONCILE``)."""
    own = location.file(entry)
    if entry == STREAM and own.is_file():
        return Submitted(own, ())
    return Submitted(_ENGINE / _FILES[entry], ("--pipeline", location.package))


def driver_environment(folder: Path) -> dict[str, str]:
    """Returns the variables by which a driver that is started as a Python program finds Spark's settings."""
    return {
        "SPARK_CONF_DIR": str(folder / "empty"),
        "PYSPARK_SUBMIT_ARGS": f"--properties-file {shlex.quote(str(folder / 'spark.conf'))} pyspark-shell",
    }


def job_config(settings: Settings, checkpoint: str) -> JobConfig:
    """Returns the job's configuration.

    Args:
        settings: the profile's.
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
    """Returns what the job needs of a section, with the password's place for the job."""
    values = section.model_dump(mode="json", include={field.name for field in fields(kind)})
    return kind(**{**values, "password": section.job_password or section.password})


def java_properties(values: Mapping[str, str]) -> str:
    """Returns the text of a file of Spark's settings."""
    return "".join(f"{key} {escaped(value)}\n" for key, value in sorted(values.items()))


def escaped(value: str) -> str:
    """Returns a value as it is written into a properties file, which Java reads as Latin-1 and with escapes."""
    # JSON has the same escapes; a quotation mark needs none here.
    return json.dumps(value)[1:-1].replace('\\"', '"')


def temporary_folder(folder: Path) -> str:
    """Returns the option that gives Java a folder for temporary files.

    Compression codecs and RocksDB unpack their native code there and load it, which a /tmp without ``exec`` refuses.
    """
    return f"-Djava.io.tmpdir={folder}"
