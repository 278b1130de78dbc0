"""Logs unexpected errors in background tasks and keeps the server running."""

from __future__ import annotations

import structlog

_log = structlog.get_logger(__name__)


class Failures:
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
