"""The containers' log lines, by the engine's clock."""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tandem.platforms.embedded.logs import readable


def merged(containers: Mapping[str, Any], follow: bool, since: datetime | None) -> Iterator[str]:
    """Yields the lines of several containers by time, each after its service's name.

    Args:
        containers: by service.
        follow: go on with what is written from now on.
        since: leave out what is older; with a time zone.
    """
    if follow:
        yield from _followed(containers, since)
        return
    streams = (_entries(name, each.logs(timestamps=True, since=since)) for name, each in containers.items())
    for _, name, line in heapq.merge(*streams, key=lambda entry: entry[0]):
        yield _shown(name, line)


def essence(container: Any) -> str:
    """Returns the last line that a container wrote."""
    lines = [line for line in container.logs(tail=20).decode(errors="replace").splitlines() if line.strip()]
    bad = [line for line in lines if "rror" in line]
    return readable((bad or lines or ["it wrote nothing"])[-1]).strip()[:300]


def _entries(name: str, text: bytes) -> Iterator[tuple[str, str, str]]:
    for line in text.decode(errors="replace").splitlines():
        moment, _, rest = line.partition(" ")
        yield moment, name, rest


def _followed(containers: Mapping[str, Any], since: datetime | None) -> Iterator[str]:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read(name: str, container: Any) -> None:
        rest = b""
        for part in container.logs(stream=True, follow=True, timestamps=True, since=since):
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                lines.put(_shown(name, line.decode(errors="replace").partition(" ")[2]))
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


def _shown(name: str, line: str) -> str:
    return f"{name:<17} {readable(line)}"
