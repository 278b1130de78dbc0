"""Where the embedded platform keeps what: the one place that knows the folders."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tandem.errors import EnvironmentNotReadyError
from tandem.settings.model import Settings

# In the order in which they are stopped: nothing loses what it writes to before it has stopped itself.
SERVICES = ("dashboard", "job", "mongod", "kafka")
# The job of the pipeline with which the environment was started; any other's is called after its pipeline, too.
JOB = "job"
_DATA = ("kafka", "mongo", "checkpoint")
_FULL_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Layout:
    """The folders of one profile.

    Attributes:
        home: where they are.
        services: in the order in which they are stopped.
        data: the folders of what outlives a stop.
    """

    home: Path
    services: tuple[str, ...] = SERVICES
    data: tuple[str, ...] = _DATA

    @property
    def conf(self) -> Path:
        """Files written from the settings at each start."""
        return self.home / "conf"

    @property
    def settings(self) -> Path:
        """The settings with which the supervisor runs: those of the first pipeline."""
        return self.conf / "settings.json"

    @property
    def pipelines(self) -> Path:
        """What is to run; see ``PipelineRegistry``."""
        return self.run / "pipelines"

    @property
    def run(self) -> Path:
        """Process ids and states."""
        return self.home / "run"

    @property
    def kafka(self) -> Path:
        """Kafka's data."""
        return self.home / "kafka"

    @property
    def mongo(self) -> Path:
        """MongoDB's data."""
        return self.home / "mongo"

    @property
    def checkpoint(self) -> Path:
        """Spark's offsets and state, a folder for each pipeline."""
        return self.home / "checkpoint"

    @property
    def scratch(self) -> Path:
        """What Spark spills."""
        return self.home / "scratch"

    @property
    def state(self) -> Path:
        """The services' states."""
        return self.run / "state.json"

    def job(self, pipeline: str) -> str:
        """Returns the name of the service that is a pipeline's job."""
        try:
            first = json.loads(self.settings.read_text("utf-8"))["pipeline"]
        except (OSError, ValueError, KeyError):
            first = pipeline
        return JOB if pipeline == first else f"{JOB}-{pipeline}"

    def conf_of(self, service: str) -> Path:
        """Returns the folder of what a job's driver reads."""
        return self.conf if service == JOB else self.conf / service

    def further_jobs(self) -> list[str]:
        """Returns the services that are jobs of further pipelines and have run here, whether they run now or not."""
        return sorted(log.stem for log in (self.home / "logs").glob(f"{JOB}-*.log"))

    def logs(self) -> list[Path]:
        """Returns the logs that programs append to while the supervisor runs."""
        names = (*self.services, JOB, *self.further_jobs(), "supervisor")
        return [self.log(name) for name in names]

    def log(self, service: str) -> Path:
        """Returns a service's log file."""
        return self.home / "logs" / f"{service}.log"

    def pid(self, service: str) -> Path:
        """Returns the file with a service's process."""
        return self.run / f"{service}.json"

    def create(self) -> None:
        """Creates the folders, and ends a forgetting that was interrupted.

        Raises:
            EnvironmentNotReadyError: the folder cannot be written.
        """
        try:
            for folder in (self.conf, self.run, self.pipelines, self.home / "logs", self.scratch):
                folder.mkdir(parents=True, exist_ok=True)
            if self._forgetting.exists():
                self.forget()
            for name in self.data:
                (self.home / name).mkdir(exist_ok=True)
        except OSError as error:
            raise _unwritable(self.home, error) from None

    def forget(self) -> None:
        """Removes topics, database and checkpoint: all three, also when it is interrupted and started again."""
        self._forgetting.touch()
        for name in (*self.data, "scratch"):
            shutil.rmtree(self.home / name, ignore_errors=False) if (self.home / name).exists() else None
        self._forgetting.unlink()

    @contextmanager
    def locked(self) -> Iterator[int | None]:
        """Yields the lock's file descriptor when this process now owns the folder, until the block or the process ends.

        None when another process owns it.
        """
        with (self.run / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                yield None
                return
            yield lock.fileno()

    def is_mine(self, lock: int) -> bool:
        """Returns whether the folder is still the one that was locked: not removed, nor another one in its place."""
        try:
            return os.path.samestat(os.fstat(lock), (self.run / "lock").stat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    @property
    def _forgetting(self) -> Path:
        return self.run / "forgetting"


def empty(folder: Path) -> None:
    """Makes a folder that is empty, whatever an earlier run has left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def scratch_folder(prefix: str, settings: Settings) -> TemporaryDirectory[str]:
    """Returns a folder for a Spark that runs beside the job and keeps nothing.

    Raises:
        EnvironmentNotReadyError: the state folder cannot be written.
    """
    scratch = Layout(settings.home).scratch
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=prefix, dir=scratch, ignore_cleanup_errors=True)
    except OSError as error:
        raise _unwritable(settings.home, error) from None


def is_full(layout: Layout) -> bool:
    """Returns whether the disk has no space left that a service could use."""
    return shutil.disk_usage(layout.home).free < _FULL_BYTES


def _unwritable(home: Path, error: OSError) -> EnvironmentNotReadyError:
    return EnvironmentNotReadyError(
        f"the state folder {home} cannot be written: {error.strerror}", hint="set TANDEM_STATE_DIR to a folder of yours"
    )


def disk_is_full(layout: Layout) -> str:
    """Returns how a user is told that the disk is full."""
    return f"the disk of {layout.home} is full"
