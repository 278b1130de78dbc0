"""Writes rows into temporary files by part, and reads those of a part."""

from __future__ import annotations

import os
import pickle
from collections import defaultdict
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, Self
from zlib import crc32

# The rows that a writer keeps in memory.
_BUFFERED = 20_000


def part_of(key: str | bytes, parts: int) -> int:
    """Returns the part of a key, the same one in all processes."""
    return crc32(key.encode() if isinstance(key, str) else key) % parts


class Spill:
    """Writes rows of one kind into a file for each part and process.

    A file for each writer would need more files than a disk can have. A block that ends with an error loses the
    buffered rows.

    Args:
        folder: the folder of this kind of rows.
        writer: a name that no other writer of this kind has. A part is read in the order of these names.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder, self._writer = folder, writer
        self._rows: dict[int, list[Any]] = defaultdict(list)
        self._buffered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()

    def add(self, part: int, row: Any) -> None:
        """Adds a row to a part."""
        self._rows[part].append(row)
        self._buffered += 1
        if self._buffered >= _BUFFERED:
            self._flush()

    def _flush(self) -> None:
        for part, rows in self._rows.items():
            folder = self._folder / str(part)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / str(os.getpid())).open("ab") as file:
                # Names of fields are written once for all rows of the list.
                pickle.dump((self._writer, rows), file, pickle.HIGHEST_PROTOCOL)
        self._rows.clear()
        self._buffered = 0


def rows_of(folder: Path, part: int) -> Iterator[Any]:
    """Yields the rows of a part, one writer after another."""
    blocks: list[tuple[str, list[Any]]] = []
    for path in (folder / str(part)).glob("*"):
        with path.open("rb") as file:
            while file.peek(1):
                # We wrote the file, into a folder that only the user can read.
                blocks.append(pickle.load(file))  # noqa: S301
    # A writer's blocks are in one file, in their order.
    for _, rows in sorted(blocks, key=itemgetter(0)):
        yield from rows
