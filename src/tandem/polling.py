"""Calls a function again and again while a command works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tandem.errors import TandemError

_POLL_S = 2.0


@contextmanager
def polled(look: Callable[[], bool | None]) -> Iterator[None]:
    """Calls a function every two seconds, from a thread.

    It ends when the function returns True, or with the ``with`` statement. A service that does not answer is asked
    again.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_S):
            with suppress(TandemError):
                if look():
                    return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
