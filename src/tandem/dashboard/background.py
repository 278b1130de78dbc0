"""Threads that watch one source, and the log of their unexpected errors."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import structlog

_log = structlog.get_logger(__name__)
_RETRY_S = 1.0


class ErrorLog:
    """Logs each failure with its stack trace, but not the same one twice in a row.

    Args:
        what: the task's name, as the subject of the message.
    """

    def __init__(self, what: str) -> None:
        self._what, self._last = what, ""

    def log(self, error: Exception) -> None:
        """Logs the error; call it from the handler."""
        if self._last != (failure := f"{type(error).__name__}: {error}"):
            _log.exception(f"{self._what} failed and starts again")
        self._last = failure


class Watcher(ABC):
    """Base of the watchers.

    Args:
        name: the thread's name.
        away: the exceptions for a source that does not answer.
    """

    def __init__(self, name: str, away: tuple[type[Exception], ...]) -> None:
        self.stopping = threading.Event()
        self._away, self._errors = away, ErrorLog(f"the watcher {name}")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stops; the thread may end a moment later."""
        self.stopping.set()

    @abstractmethod
    def watch(self) -> None:
        """Watches until ``stopping`` is set, or raises one of ``away``."""

    def lost(self, error: Exception) -> None:  # noqa: B027, optional
        """Records that the source does not answer."""

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.watch()
            except self._away as error:
                self.lost(error)
            except Exception as error:  # a page that freezes silently would be worse
                self._errors.log(error)
                self.lost(error)
            self.stopping.wait(_RETRY_S)
