"""Computes the watermark at each time, from files rather than in memory."""

from __future__ import annotations

import mmap
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from pathlib import Path

from tandem.verify.watermark import Arrival, minimum

# An arrival time and an event time, or a watermark, each in milliseconds since 1970.
_PAIR = struct.Struct("<qq")
_BLOCK = 4096 * _PAIR.size
_BEFORE_ALL = -(2**63)


def write_steps(path: Path, arrivals: Iterable[Arrival]) -> None:
    """Writes when the newest event time rises, in the order of arrival.

    Records that arrived at an unknown time come first.
    """
    newest_at: dict[int, int] = {}
    for arrival in arrivals:
        at, ms = _BEFORE_ALL if arrival.at is None else arrival.at, arrival.time // 1000
        newest_at[at] = max(ms, newest_at.get(at, ms))
    path.parent.mkdir(parents=True, exist_ok=True)
    newest = _BEFORE_ALL
    with path.open("wb") as file:
        for at in sorted(newest_at):
            if newest_at[at] > newest:
                newest = newest_at[at]
                file.write(_PAIR.pack(at, newest))


def merge_steps(folder: Path, streams: Sequence[str], target: Path, *, lateness_seconds: int) -> int:
    """Writes when the watermark rises, and returns the final one.

    It is the same as that of ``watermark.sweep``.

    Args:
        folder: has a folder for each stream, with files of ``write_steps``.
        streams: the names of the streams.
        target: the folder to write to; ``Watermarks`` reads it.
        lateness_seconds: the pipeline's lateness.
    """
    newest: dict[str, int | None] = dict.fromkeys(streams)
    reached = 0
    target.mkdir(parents=True, exist_ok=True)
    files = [(stream, path) for stream in streams for path in (folder / stream).glob("*")]
    with (target / "at").open("wb") as times, (target / "ms").open("wb") as watermarks:
        last = _BEFORE_ALL
        for at, stream, ms in merge(*(_entries(stream, path) for stream, path in files)):
            known = newest[stream]
            if known is not None and ms <= known:
                continue
            newest[stream] = ms
            risen = max(reached, minimum(newest.values(), lateness_seconds * 1000))
            if risen == reached:
                continue
            if at != last:
                # The watermark until here, from the time of the last step.
                array("q", (last,)).tofile(times)
                array("q", (reached,)).tofile(watermarks)
            last, reached = at, risen
        array("q", (last,)).tofile(times)
        array("q", (reached,)).tofile(watermarks)
    return reached


class Watermarks:
    """The watermark at each time, as ``merge_steps`` wrote it.

    Args:
        folder: the files.
    """

    def __init__(self, folder: Path) -> None:
        self._at, self._ms = _mapped(folder / "at"), _mapped(folder / "ms")

    def at(self, ms: int | None) -> int:
        """Returns the watermark after all records that had arrived then.

        Args:
            ms: the time in milliseconds since 1970; None for the end.
        """
        place = len(self._at) if ms is None else bisect_right(self._at, ms)
        return self._ms[place - 1]


def _entries(stream: str, path: Path) -> Iterator[tuple[int, str, int]]:
    # Opened for each block, so that many files do not need many descriptors.
    place = 0
    while True:
        with path.open("rb") as file:
            file.seek(place)
            block = file.read(_BLOCK)
        if not block:
            return
        place += len(block)
        for at, ms in _PAIR.iter_unpack(block):
            yield at, stream, ms


def _mapped(path: Path) -> memoryview[int]:
    """Returns the numbers of a file, which the system reads as needed."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)).cast("q")
