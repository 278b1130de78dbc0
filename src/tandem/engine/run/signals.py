"""Handles the signals to a driver: to stop, or to resume with the pipeline's current code."""

from __future__ import annotations

import signal
import threading

# Sent by `tandem dev`. A driver that stays keeps its Java warm: seconds instead of a start.
RELOAD = signal.SIGHUP


class SignalHandler:
    """Handles the signals.

    Attributes:
        stopping: set once the query is to be stopped after the batch that has begun.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._again = self._end = False

    def listen(self) -> None:
        """Takes over SIGTERM, SIGINT and ``RELOAD``."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._receive(again=False))
        signal.signal(RELOAD, lambda *_: self._receive(again=True))

    def stop(self) -> None:
        """Stops the job, as SIGTERM does."""
        self._receive(again=False)

    def restart_requested(self) -> bool:
        """Returns whether the job is to resume with the current code; the next signal counts from here on."""
        if self._end or not self._again:
            return False
        self._again = False
        self.stopping.clear()
        # A signal that has come since then would be lost.
        if self._end or self._again:
            self.stopping.set()
        return True

    def _receive(self, *, again: bool) -> None:
        self._again, self._end = self._again or again, self._end or not again
        self.stopping.set()
