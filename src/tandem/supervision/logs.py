"""Rotates the services' log files and reads them.

Readers get merged lines, or the line that reports an error.
"""

from __future__ import annotations

import heapq
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO

from tandem.supervision.log_line import LogLine, parse

MAX_BYTES = 16 * 1024 * 1024
_BAD = re.compile(r'ERROR|FATAL|Exception|Error: |"s":"[EF]"|error while loading|No space left|Permission denied')
# Our own programs log why they end. Libraries may log an error about it later.
_OWN = re.compile(r" ERROR tandem\.")
_FOLLOW_S = 0.3
_BEGINNING = datetime.min.replace(tzinfo=UTC)


def rotate(log: Path) -> None:
    """Copies a large log over its previous copy and empties the log.

    The program keeps its file open and appends to it, so the rotation does not disturb it. The copy gets its name last.
    A reader that follows the log then sees that the log was emptied.
    """
    draft = log.with_suffix(".log.copy")
    with suppress(OSError):  # no such log, or no copy of it
        if log.stat().st_size > MAX_BYTES:
            with suppress(OSError):  # a full disk: without a copy
                shutil.copyfile(log, draft)
            os.truncate(log, 0)
            draft.replace(rotated(log))


def rotated(log: Path) -> Path:
    """Returns the path of a log's copy."""
    return log.with_suffix(".log.1")


def size_of(log: Path) -> int:
    """Returns a log's size in bytes; new lines start at this byte."""
    return log.stat().st_size if log.exists() else 0


def merged(files: Mapping[str, Path], follow: bool, since: datetime | None) -> Iterator[LogLine]:
    """Yields the lines of several logs by time.

    Args:
        files: log files by service.
        follow: also yield new lines.
        since: skip older lines; with a time zone.
    """
    tails = [_Tail(service, file) for service, file in files.items()]
    while True:
        for line in heapq.merge(*(tail.read() for tail in tails), key=lambda line: line.at or _BEGINNING):
            if since is None or (line.at or _BEGINNING) >= since:
                yield line
        if not follow:
            return
        time.sleep(_FOLLOW_S)  # not a wait for readiness: the refresh interval


def error_summary(log: Path, from_byte: int = 0) -> str:
    """Returns the line after ``from_byte`` that most likely says what went wrong."""
    try:
        lines = [line for line in end_of(log, from_byte).splitlines() if line.strip()]
    except OSError:
        return "it wrote no log"
    own, bad = ([line for line in lines if pattern.search(line)] for pattern in (_OWN, _BAD))
    return parse((own or bad or lines or ["it wrote nothing"])[-1]).text.strip()[:300]


def reports_full_disk(log: Path, from_byte: int) -> bool:
    """Returns whether a log says after ``from_byte`` that the disk is full."""
    try:
        return "No space left on device" in end_of(log, from_byte)
    except OSError:
        return False


def end_of(log: Path, from_byte: int = 0) -> str:
    """Returns the end of a log after ``from_byte``.

    If the log was emptied since, it returns the end of the whole log.

    Raises:
        OSError: it cannot be read.
    """
    with log.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(from_byte if from_byte <= size else 0, size - 200_000))
        return stream.read().decode(errors="replace")


def _changed(file: Path) -> int:
    """Returns a file's modification time in nanoseconds; 0 if it does not exist."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


class _Tail:
    """Reads the lines that were added to a file.

    A line without a time has the time of the line before.
    """

    def __init__(self, service: str, file: Path) -> None:
        self._service, self._file = service, file
        self._position, self._inode = 0, 0
        self._copied, self._emptied = 0, False
        self._moment: datetime | None = None

    def read(self) -> Iterator[LogLine]:
        with suppress(FileNotFoundError), self._file.open("rb") as stream:
            # The status of the open file: another file may have its name now.
            status = os.fstat(stream.fileno())
            copied = _changed(rotated(self._file))
            if status.st_ino != self._inode:
                self._position, self._inode = 0, status.st_ino
            elif copied != self._copied:
                # It was emptied, and the copy has the earlier lines.
                with suppress(FileNotFoundError), rotated(self._file).open("rb") as copy:
                    yield from self._lines(copy)
                self._position = 0
            elif status.st_size < self._position:
                # It was emptied, and the copy is not there yet or failed.
                self._emptied = not self._emptied
                if self._emptied:
                    return
                self._position = 0
            self._copied, self._emptied = copied, False
            yield from self._lines(stream)

    def _lines(self, stream: IO[bytes]) -> Iterator[LogLine]:
        stream.seek(self._position)
        # Read at once, because the log may be emptied while the caller uses its lines.
        for raw in BytesIO(stream.read()):
            if not raw.endswith(b"\n"):  # still being written
                break
            self._position += len(raw)
            line = parse(raw.decode(errors="replace").rstrip(), self._service)
            self._moment = max(filter(None, (self._moment, line.at)), default=None)
            yield replace(line, at=self._moment)
