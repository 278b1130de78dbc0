"""Runs submitted jobs with the Spark of their runtime; Spark itself fetches all files from Cloud Storage."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from google.cloud import dataproc_v1 as dataproc
from google.cloud.exceptions import GoogleCloudError
from google.cloud.storage import Bucket
from requests.exceptions import RequestException

from tandem.artifacts.ivy import spark_jars
from tandem.artifacts.packages import installed
from tandem.job_files import RECONCILE, STREAM, temporary_folder
from tandem.local_spark.java import Java, child_environment
from tandem.platforms.dataproc.requests import ENTRY_LABEL, LABEL, label_value, name_of
from tandem.platforms.local_services.layout import Layout
from tandem.runtimes import Runtime
from tandem.supervision.logs import size_of
from tandem.supervision.process import end, identify, recall, remember, spawn
from tandem.supervision.state_folder import empty
from tandem_rehearsal.image import write_logging

# A driver's name here, by the label of the file that it runs.
_NAMES = {label_value(STREAM): "job", label_value(RECONCILE): "reconcile"}
_UPLOAD_S = 1.0
# A driver that does not stop within this time is killed.
_STOP_S = 20.0


@dataclass(frozen=True)
class Spark:
    """One Spark.

    Attributes:
        home: what ``SPARK_HOME`` is set to.
        python_path: what Python finds its own half on; None for where it is installed.
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
        found = {"SPARK_HOME": os.fspath(self.home)}
        return found | ({"PYTHONPATH": os.fspath(self.python_path)} if self.python_path else {})


def spark_of(runtime: Runtime, cache: Path) -> Spark:
    """Returns the Spark of a runtime, installed now or by an earlier call.

    Args:
        runtime: whose.
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
    """Starts drivers, one at a time per file of a pipeline, and uploads their output in pieces.

    Attributes:
        layout: the folders for logs and process ids.
        java: the drivers' Java.
        image: Spark's defaults.
        bucket: the bucket for the output.
        cache: the folder in which further Sparks are installed.
        first: the label of the pipeline whose drivers are named by the file alone.
    """

    layout: Layout
    java: Java
    image: Path
    bucket: Bucket
    cache: Path
    first: str
    _pieces: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def end_leftovers(self) -> None:
        """Kills the drivers that a killed stand-in left behind."""
        files = (file for name in _NAMES.values() for file in self.layout.run.glob(f"{name}*.json"))
        for file in list(files):
            if left := recall(file):
                end(left, _STOP_S)
                file.unlink(missing_ok=True)

    def output(self, job: str) -> str:
        """Returns the URI prefix of a job's output.

        Args:
            job: its uuid.
        """
        return f"gs://{self.bucket.name}/google-cloud-dataproc-metainfo/jobs/{job}/driveroutput"

    def launch(self, job: dataproc.Job, runtime: Runtime) -> RunningDriver:
        """Starts the driver of a job.

        Args:
            job: the submitted job.
            runtime: the versions to run on.
        """
        levels = {
            name: dataproc.LoggingConfig.Level(level).name
            for name, level in job.pyspark_job.logging_config.driver_log_levels.items()
        }
        name = _NAMES[job.labels[ENTRY_LABEL]]
        if job.labels[LABEL] != self.first:
            name = f"{name}-{name_of(job.labels[LABEL])}"
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
            SPARK_SUBMIT_OPTS=f'"-Dlog4j2.configurationFile=file:{logging}" "{temporary_folder(temporary)}"',
        )
        process = spawn(command(job, self.image, spark.submit), log=log, env=environment, cwd=self.layout.scratch)
        identity = identify(process.pid)
        remember(self.layout.pid(name), identity)
        return RunningDriver(self, job, process, log, from_byte)

    def upload(self, job: dataproc.Job, content: bytes) -> bool:
        """Returns whether a piece of output was uploaded; otherwise the next piece includes it."""
        prefix = self.output(job.job_uuid).removeprefix(f"gs://{self.bucket.name}/")
        try:
            self.bucket.blob(f"{prefix}.{self._pieces[job.job_uuid]:09}").upload_from_string(content)
        except (GoogleCloudError, RequestException):
            return False
        self._pieces[job.job_uuid] += 1
        return True


class RunningDriver:
    """One driver: spark-submit, its Java process and the Python process below that."""

    def __init__(
        self, runner: DriverRunner, job: dataproc.Job, process: subprocess.Popen[bytes], log: Path, from_byte: int
    ) -> None:
        self._runner, self._job, self._process = runner, job, process
        self._identity = identify(process.pid)
        self._log, self._position = log, from_byte
        self._ended = threading.Event()
        self._uploader = threading.Thread(target=self._upload, daemon=True)
        self._uploader.start()

    def wait(self) -> int:
        """Returns its exit code once it has ended and all its output is in the bucket."""
        code = self._process.wait()
        # Python runs for a moment after Java was killed.
        end(self._identity, _STOP_S)
        self._ended.set()
        self._uploader.join()
        self._runner.layout.pid(self._log.stem).unlink(missing_ok=True)
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
            if content and self._runner.upload(self._job, content):
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
