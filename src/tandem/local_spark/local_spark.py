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
from tandem.job_files import driver_environment, for_batch, quoted, submitted, temporary_folder, write_job_files
from tandem.local_spark.class_archive import ClassArchive
from tandem.local_spark.folder_names import check_folder_names
from tandem.local_spark.heap import heap_settings, start_options
from tandem.local_spark.java import Java, child_environment, find_java
from tandem.runtimes import runtimes
from tandem.settings.model import Settings
from tandem.supervision.process import identify, kill
from tandem.supervision.state_folder import empty, unwritable

# Folders of a state folder, and of each folder that a driver gets in its place.
CHECKPOINT, SCRATCH = "checkpoint", "scratch"
_CLASS_PATHS = ("spark.driver.extraClassPath", "spark.executor.extraClassPath")


@dataclass(frozen=True)
class LocalSpark:
    """The Java and the jars of the Spark drivers on this machine.

    Attributes:
        java: the Java.
        jars: the class path besides Spark's own jars.
        archive: Java's class archive for this class path.
    """

    java: Java
    jars: tuple[Path, ...]
    archive: ClassArchive

    @classmethod
    def find(cls, settings: Settings) -> LocalSpark:
        """Returns the Spark of a profile, with its jars downloaded.

        Raises:
            EnvironmentNotReadyError: there is no Java, or the jars cannot be fetched.
            UsageError: a folder has a name that Java would misread.
        """
        check_folder_names(settings)
        java = find_java(settings.java_home, runtimes().minimum_java)
        jars = runtimes().default.jars
        return cls.of(settings, java, ensure_jars(settings.cache_dir, java.program, (jars,))[jars])

    @classmethod
    def of(cls, settings: Settings, java: Java, jars: Sequence[Path]) -> LocalSpark:
        """Returns the Spark for a given Java and jars."""
        return cls(java, tuple(jars), ClassArchive(settings.cache_dir, java, (spark_jars(), *jars)))

    def prepare(self, settings: Settings, folder: Path, *, record: bool = False) -> dict[str, str]:
        """Prepares a start of a driver, and returns the driver's variables.

        Args:
            settings: the pipeline's settings.
            folder: the folder of ``configure``.
            record: whether the driver may record the class archive; the second one that may does.
        """
        empty(_temporary(folder))
        classpath = ":".join(map(str, self.jars))
        paths = {name: settings.spark.get(name, classpath) for name in _CLASS_PATHS}
        variables = child_environment(
            self.java,
            **driver_environment(folder, paths),
            PYSPARK_PYTHON=sys.executable,
            PYTHONUNBUFFERED="1",
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_CONF_DIR=str(self.archive.spark_conf),
            SPARK_SUBMIT_OPTS=self.archive.options(record=record),
        )
        return settings.location.variables(variables)

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
        """Runs a driver to its end; returns its exit code and its output.

        Its Java has ended then, too.

        Args:
            entry: the program to run; see ``submitted``.
            settings: the pipeline's settings.
            folder: the folder for the driver's configuration.
            home: as for ``configure``.
            options: further arguments.
            log: the file for the driver's standard error; None to discard it.
            deadline_s: the driver's time limit, in seconds.

        Raises:
            TimeoutExpired: the driver took longer, and was killed.
        """
        configure(for_batch(settings), folder, home)
        command = (sys.executable, *submitted(settings.location, entry).command(folder), *options)
        with (log or Path(os.devnull)).open("wb") as errors:
            process = subprocess.Popen(
                command,
                env=self.prepare(settings, folder),
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
            # This ends its Java, even if the user interrupts.
            kill(identity)
            process.wait()
        return process.returncode, output


def configure(settings: Settings, folder: Path, home: Path) -> None:
    """Writes the files that a driver on this machine reads at each start.

    Args:
        settings: the pipeline's settings.
        folder: the folder for the files.
        home: the folder of the checkpoints and of Spark's temporary data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scratch = home / SCRATCH
    spark = {**heap_settings(), **settings.spark}
    memory = spark["spark.driver.memory"]
    own = {
        "spark.driver.memory": memory,
        # Java uses the last of several options. The profile's and the user's options follow these.
        "spark.driver.defaultJavaOptions": f"{quoted(temporary_folder(_temporary(folder)))} {start_options(memory)}",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": f"file://{scratch}/warehouse",
        "spark.ui.port": str(settings.ui.spark_port),
    }
    # Not Path.as_uri(): Hadoop does not decode its percent signs.
    write_job_files(folder, settings, checkpoint=f"file://{home}/{CHECKPOINT}", spark=own)


def _temporary(folder: Path) -> Path:
    return folder / "tmp"


def scratch_folder(prefix: str, settings: Settings) -> TemporaryDirectory[str]:
    """Returns a temporary folder for a Spark that runs beside the job.

    Raises:
        EnvironmentNotReadyError: the state folder cannot be written.
    """
    scratch = settings.home / SCRATCH
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=prefix, dir=scratch, ignore_cleanup_errors=True)
    except OSError as error:
        raise unwritable(settings.home, error) from None
