"""Reports the progress of a verification."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

# Takes what is done, the number that is done, and the total, which is at least that.
OnProgress = Callable[[str, int, int], None]
# Takes the number that was done since the last call.
Advance = Callable[[int], None]
_EVERY_S = 0.25
_COUNTED = 1_000

Item = TypeVar("Item")


def nothing(_what: str, _done: int, _total: int) -> None:
    """Shows no progress."""


class Progress:
    """Calls a function a few times a second.

    Args:
        on_progress: the function.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress

    @contextmanager
    def step(self, what: str, total: int) -> Iterator[Advance]:
        """Yields a function that counts what was done; at the end all of it is done."""
        done, due = 0, 0.0

        def advance(more: int) -> None:
            nonlocal done, due
            done += more
            if (now := time.monotonic()) >= due:
                due = now + _EVERY_S
                self._on_progress(what, min(done, total), total)

        advance(0)
        yield advance
        self._on_progress(what, total, total)


def counted(items: Iterable[Item], advance: Advance, size: int = _COUNTED) -> Iterator[Item]:
    """Yields items, and counts them in groups of a size."""
    number = 0
    for number, item in enumerate(items, 1):
        yield item
        if number % size == 0:
            advance(size)
    advance(number % size)
