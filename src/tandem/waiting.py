"""Waits with a name and a deadline. There is no other way to wait for a service in Tandem."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tandem.errors import EnvironmentNotReadyError

T = TypeVar("T")


class NotYetError(Exception):
    """Raised by a probe: what was awaited is not there yet, and this is what was seen instead."""


def wait_for(
    what: str,
    probe: Callable[[], T],
    *,
    deadline_s: float,
    hint: str,
    retry_on: tuple[type[Exception], ...] = (),
    interval_s: float = 0.1,
) -> T:
    """Returns the probe's first result.

    Args:
        what: what is awaited, as it reads after "waited 30 s for".
        probe: raises ``NotYetError`` or one of ``retry_on`` for "not yet"; anything else ends the wait at once.
        deadline_s: how long to wait, in seconds.
        hint: where to look when it does not come.
        retry_on: the client's exceptions that mean "not yet".
        interval_s: seconds between two probes.

    Raises:
        EnvironmentNotReadyError: it did not come; the message says what was awaited and what was seen last.
    """
    retrying = Retrying(
        stop=stop_after_delay(deadline_s),
        wait=wait_fixed(interval_s),
        retry=retry_if_exception_type((NotYetError, *retry_on)),
    )
    try:
        return retrying(probe)
    except RetryError as error:
        seen = error.last_attempt.exception()
        detail = " ".join(str(seen).split())[:200] or type(seen).__name__
        message = f"waited {deadline_s:.0f} s for {what}; seen last: {detail}"
    raise EnvironmentNotReadyError(message, hint=hint)
