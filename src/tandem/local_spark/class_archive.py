"""Keeps Java's archive of Spark's classes, which halves a driver's start time.

The second driver records it, because to record takes ten seconds, and the first run on a machine takes long enough.
From Java 25 on it is an ahead-of-time cache, before that a class data archive (AppCDS).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from tandem.job_files import quoted
from tandem.local_spark.java import Java

# Java writes 200 MB and, from version 25 on, compiles ahead of time.
RECORDING_DEADLINE_S = 90.0
_AHEAD_OF_TIME = 25
_UNUSED_S = 30 * 86_400
_log = structlog.get_logger(__name__)


class ClassArchive:
    """The archive for one Java and one class path; a driver can start without it.

    Args:
        cache: the cache folder.
        java: the driver's Java.
        jars: the class path: Spark's folder of jars, and Tandem's jars. Java silently ignores an archive for another
            class path, so the archive's name depends on it.

    Attributes:
        spark_conf: the value of ``SPARK_CONF_DIR``: an empty folder. Spark puts it on the class path, so all drivers
            that share the archive need the same.
    """

    def __init__(self, cache: Path, java: Java, jars: Sequence[Path]) -> None:
        self._ahead_of_time = java.version >= _AHEAD_OF_TIME
        self.spark_conf = cache / "empty"
        seen = [(str(jar), jar.stat().st_mtime_ns) for jar in jars]
        key = (str(java.home), java.build, str(self.spark_conf), seen)
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        self._folder = cache / "classes"
        self._file = self._folder / f"spark-{digest}.{'aot' if self._ahead_of_time else 'jsa'}"
        # Another process may be recording the same.
        self._draft = self._folder / f".{self._file.name}.{os.getpid()}"
        self._started = self._folder / f"spark-{digest}.started"
        self._recording = False

    @property
    def recorded(self) -> bool:
        """Whether the archive was recorded."""
        return self._file.exists()

    def options(self, record: bool = True) -> str:
        """Returns Java's options to use the archive, or to record it if it does not exist.

        The first start that may record it returns none, and leaves a file for the second one.

        Args:
            record: False for a driver whose Java is killed at its end, or that loads other classes.
        """
        self._recording = False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.spark_conf.mkdir(exist_ok=True)
            self._draft.unlink(missing_ok=True)
            if self._file.exists():
                # The modification time shows that it is in use.
                self._file.touch()
                use = "AOTCache" if self._ahead_of_time else "SharedArchiveFile"
                quiet = "aot=off,cds=off,class+path=off" if self._ahead_of_time else "cds=off,cds+dynamic=off"
                return f"{quoted(f'-XX:{use}={self._file}')} -Xlog:{quiet}"
            if not record:
                return ""
            if not self._started.exists():
                self._started.touch()
                return ""
        except OSError as error:
            _log.warning("Java's class archive is left out", reason=error.strerror)
            return ""
        self._recording = True
        output, quiet = ("AOTCacheOutput", "aot") if self._ahead_of_time else ("ArchiveClassesAtExit", "cds")
        return f"{quoted(f'-XX:{output}={self._draft}')} -Xlog:{quiet}=off,{quiet}+dynamic=off,class+path=off"

    def linger_s(self) -> float:
        """Returns the seconds that Java may write the archive after its driver."""
        return RECORDING_DEADLINE_S if self._recording else 0.0

    def keep(self) -> None:
        """Keeps the archive if Java has written it, and removes those unused for a month."""
        try:
            if self._recording and self._draft.is_file():
                self._draft.replace(self._file)
                self._recording = False
                _log.info("kept what Java has learned: later starts take half the time")
                for other in self._folder.iterdir():
                    if time.time() - other.stat().st_mtime > _UNUSED_S:
                        other.unlink()
        except OSError as error:
            _log.warning("Java's class archive is left out", reason=error.strerror)
