"""Calls a function again and again from a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RepeatedCall:
    """Calls a function regularly from its own thread, also during a long batch.

    Args:
        name: the thread's name.
        interval_s: the time between the end of a call and the next one, in seconds.
        function: the function; it handles its errors.
    """

    def __init__(self, name: str, interval_s: float, function: Callable[[], None]) -> None:
        self._interval_s, self._function = interval_s, function
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, deadline_s: float | None = 10) -> None:
        """Stops the thread.

        Args:
            deadline_s: how long to wait for a call that has begun, in seconds; None for until its end.
        """
        self._ended.set()
        self._thread.join(timeout=deadline_s)

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._function()
