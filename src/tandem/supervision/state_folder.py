"""The folder of a supervisor's state: lock, process ids, logs and data."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError

SUPERVISOR = "supervisor"
_FULL_BYTES = 8 * 2**20
# The content of .gitignore in a state folder.
_IGNORED = "*\n"


@dataclass(frozen=True)
class StateFolder:
    """The folder of one supervisor.

    Attributes:
        home: the folder's path.
        services: the services' names in the order in which they are stopped.
        data: the names of the folders whose content outlives a stop.
    """

    home: Path
    services: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    @property
    def run(self) -> Path:
        """Process ids and states."""
        return self.home / "run"

    @property
    def state(self) -> Path:
        """The file of the services' states."""
        return self.run / "state.json"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a start needs, besides those of data."""
        return (self.run, self.home / "logs")

    def log(self, service: str) -> Path:
        """Returns a service's log file."""
        return self.home / "logs" / f"{service}.log"

    def logs(self) -> list[Path]:
        """Returns the logs of the running programs."""
        return [self.log(name) for name in (*self.services, SUPERVISOR)]

    def pid(self, service: str) -> Path:
        """Returns the file with a service's process."""
        return self.run / f"{service}.json"

    def recorded(self) -> list[str]:
        """Returns the recorded programs in the order in which they are stopped.

        A program is recorded by its process id.

        Those that come and go use the services, so they are first.
        """
        there = {file.stem for file in self.run.glob("*.json")} - {SUPERVISOR, self.state.stem}
        return [*sorted(there - set(self.services)), *(name for name in self.services if name in there)]

    @property
    def is_created(self) -> bool:
        """Whether Tandem has created the folder, by files that it leaves there."""
        if any(file.exists() for file in (self.run / "lock", self._forgetting)):
            return True
        try:
            return self._ignored.read_text("utf-8") == _IGNORED
        except (OSError, ValueError):
            return False

    def create(self) -> None:
        """Creates the folders, and completes an interrupted ``forget``.

        Raises:
            EnvironmentNotReadyError: the folder cannot be written.
        """
        try:
            for folder in self.folders:
                folder.mkdir(parents=True, exist_ok=True)
            # Data and keys must not get into the user's repository.
            if not self._ignored.exists():
                self._ignored.write_text(_IGNORED, "utf-8")
            if self._forgetting.exists():
                self.forget()
            for name in self.data:
                (self.home / name).mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(self.home, error) from None

    def forget(self) -> list[str]:
        """Removes all data, and returns the names of the folders that held some.

        The next start completes an interrupted removal.

        Raises:
            EnvironmentNotReadyError: a folder cannot be removed.
        """
        try:
            self._forgetting.touch()
            there = [name for name in self.data if (self.home / name).exists()]
            held = [name for name in there if any((self.home / name).iterdir())]
            for name in there:
                shutil.rmtree(self.home / name)
            self._forgetting.unlink()
        except OSError as error:
            raise EnvironmentNotReadyError(
                f"the data in {self.home} cannot be deleted: {error}", hint="remove it yourself"
            ) from None
        return held

    @contextmanager
    def locked(self) -> Iterator[int | None]:
        """Locks the folder until the block or the process ends.

        Yields the lock's file descriptor.

        Yields None if another process has the lock.
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
        """Returns whether the locked folder still exists and is the same one."""
        try:
            return os.path.samestat(os.fstat(lock), (self.run / "lock").stat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    @property
    def disk_is_full(self) -> bool:
        """Whether the disk has no space left that a service could use."""
        return shutil.disk_usage(self.home).free < _FULL_BYTES

    @property
    def full_disk(self) -> str:
        """The error of a service that failed because the disk is full."""
        return f"the disk of {self.home} is full"

    @property
    def _ignored(self) -> Path:
        return self.home / ".gitignore"

    @property
    def _forgetting(self) -> Path:
        return self.run / "forgetting"


def unwritable(home: Path, error: OSError) -> EnvironmentNotReadyError:
    """Returns the error for a state folder that cannot be written."""
    return EnvironmentNotReadyError(
        f"the state folder {home} cannot be written: {error.strerror}", hint="set TANDEM_STATE_DIR to a folder of yours"
    )


def empty(folder: Path) -> None:
    """Creates an empty folder; deletes what an earlier run left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
