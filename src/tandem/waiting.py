"""Waits for services with a name and a deadline; all of Tandem's waits use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tandem.errors import EnvironmentNotReadyError

T = TypeVar("T")


class DeadlineError(EnvironmentNotReadyError):
    """A wait did not succeed in time."""


class NotYetError(Exception):
    """Raised by a probe that must be repeated; the message is what it saw."""


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
        what: the text after "waited 30 s for" in the message.
        probe: raises ``NotYetError`` or one of ``retry_on`` for "not yet"; anything else ends the wait at once.
        deadline_s: how long to wait, in seconds.
        hint: what to check after the deadline.
        retry_on: the client's exceptions that mean "not yet".
        interval_s: seconds between two probes.

    Raises:
        DeadlineError: the deadline passed; the message names what was awaited and seen last.
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
    raise DeadlineError(message, hint=hint)
