"""Reads the containers' log lines, with the engine's timestamps."""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tandem.supervision.log_line import LogLine, parse

_BEGINNING = datetime.min.replace(tzinfo=UTC)


def merged(containers: Mapping[str, Any], follow: bool, since: datetime | None) -> Iterator[LogLine]:
    """Yields the lines of several containers by time.

    Args:
        containers: by service.
        follow: also yield new lines.
        since: skip older lines; with a time zone.
    """
    if follow:
        yield from _followed(containers, since)
        return
    streams = (_entries(name, each.logs(timestamps=True, since=since)) for name, each in containers.items())
    yield from heapq.merge(*streams, key=lambda line: line.at or _BEGINNING)


def error_summary(container: Any) -> str:
    """Returns the last line that a container wrote."""
    lines = [line for line in container.logs(tail=20).decode(errors="replace").splitlines() if line.strip()]
    bad = [line for line in lines if "rror" in line]
    return parse((bad or lines or ["it wrote nothing"])[-1]).text.strip()[:300]


def _entries(name: str, text: bytes) -> Iterator[LogLine]:
    # Not `splitlines`: a carriage return does not end a line with the engine's time.
    return (_line(name, line) for line in text.removesuffix(b"\n").split(b"\n")) if text else iter(())


def _followed(containers: Mapping[str, Any], since: datetime | None) -> Iterator[LogLine]:
    lines: queue.SimpleQueue[LogLine | None] = queue.SimpleQueue()

    def read(name: str, container: Any) -> None:
        rest = b""
        try:
            for part in container.logs(stream=True, follow=True, timestamps=True, since=since):
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    lines.put(_line(name, line))
        except Exception as error:  # for example, the engine stopped; the reader must not wait forever
            lines.put(LogLine(None, "error", f"its log is no longer readable: {type(error).__name__}", name))
        finally:
            lines.put(None)

    for name, container in containers.items():
        threading.Thread(target=read, args=(name, container), daemon=True).start()
    ended = 0
    while ended < len(containers):
        line = lines.get()
        if line is None:
            ended += 1
        else:
            yield line


def _line(name: str, raw: bytes) -> LogLine:
    line = raw.decode(errors="replace")
    moment, _, rest = line.partition(" ")
    try:
        return replace(parse(rest, name), at=datetime.fromisoformat(moment))
    except ValueError:
        # The engine's own messages have no time.
        return parse(line, name)
