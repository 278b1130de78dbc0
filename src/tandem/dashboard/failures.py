"""Failures that nobody foresaw in what goes on for as long as the server runs: it goes on, and says so."""

from __future__ import annotations

import structlog

_log = structlog.get_logger(__name__)


class Failures:
    """Logs a failure with its stack, and again only when it is another one.

    Args:
        what: as it reads before "failed and begins anew".
    """

    def __init__(self, what: str) -> None:
        self._what, self._last = what, ""

    def tell(self, error: Exception) -> None:
        """Logs it; called where it is handled."""
        if self._last != (failure := f"{type(error).__name__}: {error}"):
            _log.exception(f"{self._what} failed and begins anew")
        self._last = failure
