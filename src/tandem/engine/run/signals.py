"""Handles a driver's signals: stop, or resume with the pipeline's current code."""

from __future__ import annotations

import signal
import threading

# Sent by `tandem dev`. The driver keeps its warm Java, so a reload is faster than a restart.
RELOAD = signal.SIGHUP


class SignalHandler:
    """Handles the signals.

    Attributes:
        stopping: set when the query must stop after its current batch.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._again = self._end = False

    def listen(self) -> None:
        """Installs the handlers of SIGTERM, SIGINT and ``RELOAD``."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._receive(again=False))
        signal.signal(RELOAD, lambda *_: self._receive(again=True))

    def stop(self) -> None:
        """Stops the job, as SIGTERM does."""
        self._receive(again=False)

    def restart_requested(self) -> bool:
        """Returns whether the job must resume with the current code; clears the request."""
        if self._end or not self._again:
            return False
        self._again = False
        self.stopping.clear()
        # Otherwise a signal that arrived meanwhile would be lost.
        if self._end or self._again:
            self.stopping.set()
        return True

    def _receive(self, *, again: bool) -> None:
        self._again, self._end = self._again or again, self._end or not again
        self.stopping.set()
