"""Logs once that a server stops accepting, and once that it accepts again."""

from __future__ import annotations

import logging
import threading

import structlog

_log = structlog.get_logger(__name__)


class DeliveryLog:
    """Logs the first failure after a success, and the first success after a failure.

    Args:
        what: what is sent, as the subject of the messages.
        address: the server.
    """

    def __init__(self, what: str, address: str) -> None:
        self._what, self._address, self._fails, self._lock = what, address, False, threading.Lock()

    def failed(self, reason: str) -> None:
        """Records a failure."""
        with self._lock:
            if not self._fails:
                _log.warning(f"{self._what} cannot be sent; the job is not affected", to=self._address, reason=reason)
            self._fails = True

    def succeeded(self) -> None:
        """Records a success."""
        with self._lock:
            if self._fails:
                _log.info(f"{self._what} can be sent again", to=self._address)
            self._fails = False


class FailureHandler(logging.Handler):
    """Passes a library's warnings to a ``DeliveryLog``, instead of one line for each try.

    Args:
        delivery: logs the failure.
    """

    def __init__(self, delivery: DeliveryLog) -> None:
        super().__init__(logging.WARNING)
        self._delivery = delivery

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        self._delivery.failed(record.getMessage()[:200])

    def take(self, library: str) -> None:
        """Handles a library's log from now on."""
        logger = logging.getLogger(library)
        logger.handlers, logger.propagate = [self], False
