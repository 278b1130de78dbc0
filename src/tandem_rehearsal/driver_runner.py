"""Runs submitted jobs with the Spark of their runtime.

Spark itself fetches all files from Cloud Storage.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from google.cloud import dataproc_v1 as dataproc

from tandem.artifacts.ivy import spark_jars
from tandem.artifacts.packages import installed
from tandem.job_files import RECONCILE, REPLAY, STREAM, logging_option, quoted, temporary_folder
from tandem.local_spark.java import Java, child_environment
from tandem.platforms.dataproc.requests import ENTRY_LABEL, ENVIRONMENT_LABEL, LABEL, label_value, name_of
from tandem.platforms.local_services.layout import Layout
from tandem.runtimes import Runtime
from tandem.supervision.logs import size_of
from tandem.supervision.process import end, identify, read_identity, spawn, write_identity
from tandem.supervision.state_folder import empty
from tandem_rehearsal.driver_output import Output
from tandem_rehearsal.image import write_logging

# A driver's name here, by the label of the file that it runs.
_NAMES = {label_value(STREAM): "job", label_value(RECONCILE): "reconcile", label_value(REPLAY): "replay"}
_UPLOAD_S = 1.0
# A driver that does not stop within this time is killed.
_STOP_S = 20.0


@dataclass(frozen=True)
class Spark:
    """One Spark.

    Attributes:
        home: the value of ``SPARK_HOME``.
        python_path: the path of PySpark; None if it is installed.
    """

    home: Path
    python_path: Path | None

    @property
    def submit(self) -> Path:
        """The program ``spark-submit``."""
        return self.home / "bin" / "spark-submit"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which its programs find it."""
        paths = {"SPARK_HOME": os.fspath(self.home)}
        return paths | ({"PYTHONPATH": os.fspath(self.python_path)} if self.python_path else {})


def spark_of(runtime: Runtime, cache: Path) -> Spark:
    """Returns the Spark of a runtime, installed now or by an earlier call.

    Args:
        runtime: the runtime.
        cache: the folder of all downloads.

    Raises:
        EnvironmentNotReadyError: it cannot be installed.
    """
    if f"{importlib.metadata.version('pyspark')}.".startswith(f"{runtime.spark}."):
        return Spark(spark_jars().parent, None)
    folder = installed(runtime.name, (f"pyspark=={runtime.pyspark}",), cache)
    return Spark(folder / "pyspark", folder)


@dataclass
class DriverRunner:
    """Starts drivers, and passes their output on.

    A file of a pipeline in an environment has one driver at a time.

    Attributes:
        layout: the folders for logs and process ids.
        java: the drivers' Java.
        image: Spark's defaults.
        cache: the folder in which further Sparks are installed.
        first: the labels of the pipeline and the environment whose drivers are named by the file alone.
    """

    layout: Layout
    java: Java
    image: Path
    cache: Path
    first: tuple[str, str]
    _running: list[RunningDriver] = field(default_factory=list)

    def end_leftovers(self) -> None:
        """Kills the drivers that a killed stand-in left behind."""
        files = (file for name in _NAMES.values() for file in self.layout.run.glob(f"{name}*.json"))
        for file in list(files):
            if left := read_identity(file):
                end(left, _STOP_S)
                file.unlink(missing_ok=True)

    def account_at(self, port: int) -> str | None:
        """Returns the account of the driver that has a connection from a port.

        None if no driver has it.
        """
        return next((driver.account for driver in list(self._running) if driver.uses(port)), None)

    def launch(self, job: dataproc.Job, runtime: Runtime, account: str, output: Output) -> RunningDriver:
        """Starts the driver of a job.

        Args:
            job: the submitted job.
            runtime: the versions to run on.
            account: the account that it acts as.
            output: takes what it prints.
        """
        levels = {
            name: dataproc.LoggingConfig.Level(level).name
            for name, level in job.pyspark_job.logging_config.driver_log_levels.items()
        }
        first_pipeline, first_environment = self.first
        parts = [_NAMES[job.labels[ENTRY_LABEL]]]
        if job.labels[LABEL] != first_pipeline:
            parts.append(name_of(job.labels[LABEL]))
        if job.labels[ENVIRONMENT_LABEL] != first_environment:
            parts.append(job.labels[ENVIRONMENT_LABEL])
        name = "-".join(parts)
        logging = self.layout.conf / f"{name}-log4j2.properties"
        write_logging(logging, levels)
        temporary = self.layout.conf / f"{name}-tmp"
        empty(temporary)
        log = self.layout.log(name)
        from_byte = size_of(log)
        spark = spark_of(runtime, self.cache)
        environment = child_environment(
            self.java,
            **spark.environment,
            SPARK_LOCAL_IP="127.0.0.1",
            PYSPARK_PYTHON=sys.executable,
            PYTHONUNBUFFERED="1",
            SPARK_SUBMIT_OPTS=f"{quoted(logging_option(logging))} {quoted(temporary_folder(temporary))}",
        )
        process = spawn(command(job, self.image, spark.submit), log=log, env=environment, cwd=self.layout.scratch)
        identity = identify(process.pid)
        write_identity(self.layout.pid(name), identity)
        driver = RunningDriver(process, account, output, log, from_byte, self.layout.pid(name))
        self._running = [each for each in self._running if not each.ended]
        self._running.append(driver)
        return driver


class RunningDriver:
    """One driver: spark-submit, its Java process and the Python process below that.

    Args:
        process: spark-submit.
        account: the account that the driver acts as.
        output: takes what it prints.
        log: the file that it prints to.
        from_byte: where its output begins in that file.
        pid_file: the file that names the process while it runs.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        account: str,
        output: Output,
        log: Path,
        from_byte: int,
        pid_file: Path,
    ) -> None:
        self.account = account
        self._process, self._output, self._pid_file = process, output, pid_file
        self._identity = identify(process.pid)
        self._log, self._position = log, from_byte
        self._ended = threading.Event()
        self._uploader = threading.Thread(target=self._upload, daemon=True)
        self._uploader.start()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def uses(self, port: int) -> bool:
        """Returns whether one of its processes uses a local port."""
        with suppress(psutil.Error):
            leader = psutil.Process(self._identity.pid)
            for process in (leader, *leader.children(recursive=True)):
                with suppress(psutil.Error):  # it has just ended
                    if any(each.laddr.port == port for each in process.net_connections("tcp")):
                        return True
        return False

    def wait(self) -> int:
        """Returns its exit code once it has ended and all its output is passed on."""
        code = self._process.wait()
        # Python runs for a moment after Java was killed.
        end(self._identity, _STOP_S)
        self._ended.set()
        self._uploader.join()
        self._pid_file.unlink(missing_ok=True)
        return code

    def kill(self) -> None:
        """Kills it and its children."""
        end(self._identity, _STOP_S)

    def _upload(self) -> None:
        last = False
        while not last:
            last = self._ended.wait(_UPLOAD_S)
            with self._log.open("rb") as stream:
                if os.fstat(stream.fileno()).st_size < self._position:  # the log was truncated because of its size
                    self._position = 0
                stream.seek(self._position)
                content = stream.read()
            if content and self._output(content):
                self._position += len(content)


def command(job: dataproc.Job, image: Path, submit: Path) -> tuple[str, ...]:
    """Returns the command line that runs a job.

    Args:
        job: the submitted job.
        image: Spark's defaults.
        submit: the program ``spark-submit``.
    """
    what = job.pyspark_job
    settings = [word for key, value in sorted(what.properties.items()) for word in ("--conf", f"{key}={value}")]
    files = {"--jars": what.jar_file_uris, "--py-files": what.python_file_uris, "--files": what.file_uris}
    listed = [word for option, uris in files.items() if uris for word in (option, ",".join(uris))]
    return (
        os.fspath(submit), "--properties-file", str(image), *settings, *listed, what.main_python_file_uri, *what.args
    )  # fmt: skip
