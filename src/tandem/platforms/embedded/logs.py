"""Reads the services' log files: merged in the order of their times, or one line's worth of what went wrong."""

from __future__ import annotations

import heapq
import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_BAD = re.compile(r'ERROR|FATAL|Exception|Error: |"s":"[EF]"|error while loading|No space left|Permission denied')
_FOLLOW_S = 0.3
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_Entry = tuple[datetime, str, str]


def merged(files: Mapping[str, Path], follow: bool, since: datetime | None) -> Iterator[str]:
    """Yields the lines of several logs by time, each after its service's name.

    Args:
        files: log files by service.
        follow: go on with what is written from now on.
        since: leave out what is older; with a time zone.
    """
    tails = [_Tail(service, file) for service, file in files.items()]
    while True:
        for moment, service, line in heapq.merge(*(tail.read() for tail in tails), key=lambda entry: entry[0]):
            if since is None or moment >= since:
                yield f"{service:<10} {line}"
        if not follow:
            return
        time.sleep(_FOLLOW_S)  # not a wait for readiness: the reader's patience


def essence(log: Path, from_byte: int = 0) -> str:
    """Returns the line that most likely says what went wrong, from a log's part after ``from_byte``."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(from_byte, log.stat().st_size - 200_000))
            lines = [line for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return "it wrote no log"
    bad = [line for line in lines if _BAD.search(line)]
    return readable((bad or lines or ["it wrote nothing"])[-1]).strip()[:300]


def readable(line: str) -> str:
    """Returns a line as a person reads it: mongod's JSON as time, severity, message and attributes."""
    if not line.startswith('{"t":'):
        return line
    try:
        entry = json.loads(line)
        attributes = json.dumps(entry["attr"], ensure_ascii=False) if "attr" in entry else ""
        moment = datetime.fromisoformat(entry["t"]["$date"]).astimezone(UTC).isoformat(timespec="milliseconds")
        return f"{moment.replace('+00:00', 'Z')} {entry['s']} {entry['c']} {entry['msg']} {attributes}".rstrip()
    except (ValueError, KeyError, TypeError):
        return line


class _Tail:
    """Reads what was added to a file since the last time; a line without a time has the time of the line before."""

    def __init__(self, service: str, file: Path) -> None:
        self._service, self._file = service, file
        self._position, self._inode, self._moment = 0, 0, _BEGINNING

    def read(self) -> Iterator[_Entry]:
        try:
            stream = self._file.open("rb")
        except FileNotFoundError:
            return
        with stream:
            status = self._file.stat()
            if status.st_ino != self._inode or status.st_size < self._position:  # put aside, or forgotten
                self._position, self._inode = 0, status.st_ino
            stream.seek(self._position)
            for raw in stream:
                if not raw.endswith(b"\n"):  # still being written
                    break
                self._position += len(raw)
                line = raw.decode(errors="replace").rstrip()
                self._moment = max(self._moment, _moment(line) or self._moment)
                yield self._moment, self._service, readable(line)


def _moment(line: str) -> datetime | None:
    match = _TIME.search(line[:80])
    if match is None:
        return None
    moment = datetime.fromisoformat(match[0].replace(",", "."))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
