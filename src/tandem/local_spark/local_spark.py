"""Configures and runs Spark drivers on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tandem.artifacts import ensure_jars
from tandem.artifacts.ivy import spark_jars
from tandem.catalog import PipelineLocation
from tandem.job_files import driver_environment, for_batch, submitted, temporary_folder, write_job_files
from tandem.local_spark.class_archive import ClassArchive
from tandem.local_spark.heap import heap_settings, start_options
from tandem.local_spark.java import Java, child_environment, find_java
from tandem.runtimes import runtimes
from tandem.settings.model import Settings
from tandem.supervision.process import identify, kill
from tandem.supervision.state_folder import empty, unwritable

# Folders of a state folder, and of each folder that a driver gets in its place.
CHECKPOINT, SCRATCH = "checkpoint", "scratch"


@dataclass(frozen=True)
class LocalSpark:
    """What Spark drivers on this machine run on.

    Attributes:
        java: the Java.
        jars: the class path besides Spark's own jars.
        archive: Java's archive of the classes of every driver with this class path.
    """

    java: Java
    jars: tuple[Path, ...]
    archive: ClassArchive

    @classmethod
    def find(cls, settings: Settings) -> LocalSpark:
        """Returns the Spark of a profile, with its jars downloaded.

        Raises:
            EnvironmentNotReadyError: there is no Java, or the jars cannot be fetched.
        """
        java = find_java(settings.java_home, runtimes().minimum_java)
        jars = runtimes().default.jars
        return cls.of(settings, java, ensure_jars(settings.cache_dir, java.program, (jars,))[jars])

    @classmethod
    def of(cls, settings: Settings, java: Java, jars: Sequence[Path]) -> LocalSpark:
        """Returns the Spark of a Java and jars that were found before."""
        return cls(java, tuple(jars), ClassArchive(settings.cache_dir, java, (spark_jars(), *jars)))

    def configure(self, settings: Settings, folder: Path, home: Path, *, record: bool = False) -> None:
        """Writes all that a driver reads.

        Args:
            settings: the profile's.
            folder: an existing folder.
            home: has the folders of checkpoints and of what Spark spills.
            record: whether the driver records the class archive where there is none.
        """
        write_configuration(settings, self.jars, folder, home, self.archive.options(record=record))

    def environment(self, location: PipelineLocation, folder: Path) -> dict[str, str]:
        """Returns the variables of a pipeline's driver, given the folder of its configuration."""
        variables = child_environment(
            self.java,
            **driver_environment(folder),
            PYSPARK_PYTHON=sys.executable,
            PYTHONUNBUFFERED="1",
            SPARK_LOCAL_IP="127.0.0.1",
        )
        return location.variables(variables)

    def run_batch(
        self,
        entry: str,
        settings: Settings,
        folder: Path,
        home: Path,
        *options: str,
        log: Path | None = None,
        deadline_s: float | None = None,
    ) -> tuple[int, str]:
        """Returns the exit code and the output of a driver that ends by itself, with its Java ended.

        Args:
            entry: what is run of the pipeline; see ``submitted``.
            settings: the pipeline's.
            folder: where the driver's configuration goes.
            home: as for ``configure``.
            options: further arguments of the file.
            log: gets what the driver writes to its standard error; None to drop that.
            deadline_s: how long the driver may take, in seconds.

        Raises:
            TimeoutExpired: the driver took longer, and was killed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.configure(for_batch(settings), folder, home)
        command = (sys.executable, *submitted(settings.location, entry).command(folder), *options)
        with (log or Path(os.devnull)).open("wb") as errors:
            process = subprocess.Popen(
                command,
                env=self.environment(settings.location, folder),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
            )
        identity = identify(process.pid)
        try:
            output, _ = process.communicate(timeout=deadline_s)
        finally:
            # Its Java, too; also when the user interrupts.
            kill(identity)
            process.wait()
        return process.returncode, output


def write_configuration(settings: Settings, jars: Sequence[Path], folder: Path, home: Path, java_options: str) -> None:
    """Writes all that a driver on this machine reads; see ``LocalSpark.configure``."""
    classpath = ":".join(map(str, jars))
    temporary, scratch = folder / "tmp", home / SCRATCH
    empty(temporary)
    spark = {**heap_settings(), **settings.spark}
    memory = spark["spark.driver.memory"]
    own = {
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.driver.memory": memory,
        # Java obeys the last of several: the profile's and the user's own options stand behind these.
        "spark.driver.defaultJavaOptions": (
            f'"{temporary_folder(temporary)}" {java_options} {start_options(memory)}'.strip()
        ),
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": f"file://{scratch}/warehouse",
        "spark.ui.port": str(settings.ui.spark_port),
    }
    # Not Path.as_uri(): Hadoop takes a percent sign for itself.
    write_job_files(folder, settings, checkpoint=f"file://{home}/{CHECKPOINT}", spark=own)


def scratch_folder(prefix: str, settings: Settings) -> TemporaryDirectory[str]:
    """Returns a folder for a Spark that runs beside the job and keeps nothing.

    Raises:
        EnvironmentNotReadyError: the state folder cannot be written.
    """
    scratch = settings.home / SCRATCH
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=prefix, dir=scratch, ignore_cleanup_errors=True)
    except OSError as error:
        raise unwritable(settings.home, error) from None
