"""Keeps Java's archive of the classes that Spark loads, with which a driver starts in half the time.

The first driver records it. It is an ahead-of-time cache from Java 25 on, a class data archive (AppCDS) before.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from tandem.local_spark.java import Java

# To write 200 MB and, from Java 25 on, to compile ahead of time.
RECORDING_DEADLINE_S = 90.0
_AHEAD_OF_TIME = 25
_UNUSED_S = 30 * 86_400
_log = structlog.get_logger(__name__)


class ClassArchive:
    """The archive for one Java and one class path; the driver also starts without it.

    Args:
        cache: the folder of everything downloaded and made.
        java: what runs the driver.
        jars: the class path: Spark's own folder of jars, and ours. Java silently refuses an archive of another class
            path, so what it compares is part of the archive's name.
    """

    def __init__(self, cache: Path, java: Java, jars: Sequence[Path]) -> None:
        self._ahead_of_time = java.version >= _AHEAD_OF_TIME
        seen = [(str(jar), jar.stat().st_mtime_ns) for jar in jars]
        key = (str(java.home), java.build, seen)
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        self._folder = cache / "classes"
        self._file = self._folder / f"spark-{digest}.{'aot' if self._ahead_of_time else 'jsa'}"
        # Another process may be recording the same.
        self._draft = self._folder / f".{self._file.name}.{os.getpid()}"
        self._recording = False

    @property
    def recorded(self) -> bool:
        """Whether the archive was recorded."""
        return self._file.exists()

    def options(self, record: bool = True) -> str:
        """Returns Java's options to use the archive, or to record it where there is none.

        Args:
            record: False for a program that is killed when its driver has ended, or that loads other classes.
        """
        self._recording = False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._draft.unlink(missing_ok=True)
            if self._file.exists():
                # Its time says that it is in use.
                self._file.touch()
                use = "AOTCache" if self._ahead_of_time else "SharedArchiveFile"
                quiet = "aot=off,cds=off,class+path=off" if self._ahead_of_time else "cds=off,cds+dynamic=off"
                return f'"-XX:{use}={self._file}" -Xlog:{quiet}'
        except OSError as error:
            _log.warning("Java's class archive is left out", reason=error.strerror)
            return ""
        if not record:
            return ""
        self._recording = True
        output, quiet = ("AOTCacheOutput", "aot") if self._ahead_of_time else ("ArchiveClassesAtExit", "cds")
        return f'"-XX:{output}={self._draft}" -Xlog:{quiet}=off,{quiet}+dynamic=off,class+path=off'

    def linger_s(self) -> float:
        """Returns how long Java may write the archive after its driver has ended, in seconds."""
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
