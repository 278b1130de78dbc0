"""The job's driver: its configuration files and its command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tandem.artifacts.ivy import spark_jars
from tandem.catalog import PipelineLocation
from tandem.engine.declare.job_config import MUST_NOT_GO_ON
from tandem.platforms.embedded.class_archive import ClassArchive
from tandem.platforms.embedded.java import Java
from tandem.platforms.embedded.layout import JOB, Layout, empty
from tandem.platforms.embedded.prepare import Tools, child_environment
from tandem.platforms.embedded.service import Program
from tandem.job_files import STREAM, driver_environment, submitted, temporary_folder, write_job_files
from tandem.platforms.memory import machine_memory
from tandem.platforms.progress import ProgressReader
from tandem.platforms.provision import create_collections, create_topics, indexes_of, streams_of
from tandem.settings.model import MongoSettings, Settings
from tandem.waiting import NotYetError

# A larger heap collects garbage less often, and holds a larger backlog. The rest is for MongoDB, Kafka and the user.
_HEAP_SHARE = 0.4
# Above the most of these Java needs wider references, so that less would fit.
_LEAST_HEAP_MIB, _MOST_HEAP_MIB = 4 * 1024, 30 * 1024
# What Java begins with, where the heap is large enough: it does not grow step by step while a backlog is read, and a
# young generation that holds a batch's rows copies few of them.
_START_MIB, _YOUNG_MIB = 3 * 1024, 1500
_BYTES = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def program(settings: Settings, tools: Tools, layout: Layout) -> Program:
    """Returns the driver of a pipeline; it is up when it has reported its start."""
    name = layout.job(settings.pipeline)
    folder = layout.conf_of(name)
    reader = _reader(settings.mongo, settings.pipeline)
    jars = tools.jars["spark"]
    archive = class_archive(settings, tools.java, jars)
    # Spark starts while Kafka and MongoDB do; a topic that is not there yet would end the query.
    begun = layout.run / f"{name}.begun"

    def write() -> None:
        begun.unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)
        # Several would write the same archive at the same time.
        write_configuration(settings, jars, layout, folder, archive.options(record=name == JOB))

    def begin() -> None:
        if name != JOB:
            # Those of the first pipeline are created with the services.
            create_topics(settings.kafka, *streams_of(settings.location))
            create_collections(settings.mongo, indexes_of(settings.location))
        begun.touch()

    def probe(pid: int) -> None:
        newest = reader.newest()
        if newest is None or newest["pid"] != pid or newest["event"] == "failed":
            raise NotYetError("it has not reported its start")

    return Program(
        name=name,
        command=(
            sys.executable,
            *submitted(settings.location, STREAM).command(folder),
            "--begin-when",
            f"file://{begun}",
        ),
        env=driver_variables(tools.java, settings.location, folder),
        write=write,
        probe=probe,
        retry_on=(),
        settle=lambda: None,
        start_deadline_s=180,
        stop_deadline_s=30,
        linger_s=archive.linger_s,
        on_ended=archive.keep,
        final_codes=frozenset({MUST_NOT_GO_ON}),
        begin=begin,
    )


@cache
def _reader(mongo: MongoSettings, pipeline: str) -> ProgressReader:
    """Returns the one for all drivers that a pipeline has one after the other."""
    return ProgressReader(mongo, pipeline)


def class_archive(settings: Settings, java: Java, jars: Sequence[Path]) -> ClassArchive:
    """Returns the archive of the classes of every driver with this class path."""
    return ClassArchive(settings.cache_dir, java, (spark_jars(), *jars))


def driver_variables(java: Java, location: PipelineLocation, folder: Path) -> dict[str, str]:
    """Returns the environment of a pipeline's driver, given the folder of its configuration."""
    variables = child_environment(
        java,
        **driver_environment(folder),
        PYSPARK_PYTHON=sys.executable,
        PYTHONUNBUFFERED="1",
        SPARK_LOCAL_IP="127.0.0.1",
    )
    return location.variables(variables)


def heap_mib(memory: int) -> int:
    """Returns the upper bound of a driver's heap in MiB, given the machine's memory in bytes."""
    return min(max(round(memory * _HEAP_SHARE / 2**20), _LEAST_HEAP_MIB), _MOST_HEAP_MIB)


def heap() -> dict[str, str]:
    """Returns Spark's setting for a driver's heap on this machine, for where the profile and the pipeline have none."""
    return {"spark.driver.memory": f"{heap_mib(machine_memory())}m"}


def start_options(memory: str) -> str:
    """Returns Java's options for what a heap of this size begins with.

    Args:
        memory: as ``spark.driver.memory`` has it.
    """
    number, unit = (memory[:-1], memory[-1].lower()) if memory[-1].isalpha() else (memory, "")
    mib = int(number) * _BYTES.get(unit, 1) // 2**20
    return f"-Xms{min(_START_MIB, mib * 3 // 4)}m -XX:NewSize={min(_YOUNG_MIB, mib * 3 // 8)}m"


def write_configuration(
    settings: Settings, jars: Sequence[Path], layout: Layout, folder: Path, java_options: str
) -> None:
    """Writes all that a driver reads into a folder, with what this platform decides."""
    classpath = ":".join(map(str, jars))
    temporary = folder / "tmp"
    empty(temporary)
    spark = {**heap(), **settings.spark}
    memory = spark["spark.driver.memory"]
    own = {
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.driver.memory": memory,
        # Java obeys the last of several: the profile's and the user's own options stand behind these.
        "spark.driver.defaultJavaOptions": (
            f'"{temporary_folder(temporary)}" {java_options} {start_options(memory)}'.strip()
        ),
        "spark.local.dir": str(layout.scratch),
        "spark.sql.warehouse.dir": f"file://{layout.scratch}/warehouse",
        "spark.ui.port": str(settings.ui.spark_port),
    }
    # Not Path.as_uri(): Hadoop takes a percent sign for itself.
    write_job_files(folder, settings, checkpoint=f"file://{layout.checkpoint}", spark=own)
