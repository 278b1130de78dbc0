"""Decides whether a service that ended is restarted, and after what delay."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection
from dataclasses import dataclass

# A run that was ready this long resets the count of failures. After the maximum in a row, the service is given up.
GOOD_RUN_S = 60.0
MAX_FAILURES = 5
MAX_BACKOFF_S = 8.0
_BACKOFF_S = 0.5
# The signals of a program's own doing: an unknown instruction, a memory fault, an abort, a forbidden system call, or a
# limit of file size or processor time.
CRASHES = frozenset(
    {
        signal.SIGILL,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGABRT,
        signal.SIGFPE,
        signal.SIGTRAP,
        signal.SIGSYS,
        signal.SIGXFSZ,
        signal.SIGXCPU,
    }
)


@dataclass
class ServiceRun:
    """One run of a program, from its start to its end.

    Attributes:
        error: the reason for its end.
        code: its exit code; None if it did not start, or was ended because it did not become ready.
        ready_at: when it became ready, by the monotonic clock.
        cannot_run: whether it cannot run on this machine.
    """

    error: str = ""
    code: int | None = None
    ready_at: float | None = None
    cannot_run: bool = False


def failures_after(run: ServiceRun, failures: int, final_codes: Collection[int]) -> int:
    """Returns the number of failed runs in a row, this one included.

    Args:
        run: the run that ended just now.
        failures: the number before it.
        final_codes: the exit codes after which the service is given up at once.
    """
    lasted = 0.0 if run.ready_at is None else time.monotonic() - run.ready_at
    was_killed = run.code is not None and run.code < 0 and -run.code not in CRASHES
    # A program that was ready ends in order only if something outside has asked for it.
    from_outside = was_killed or run.code == 0
    failures = 1 if lasted >= GOOD_RUN_S or (from_outside and lasted > 0) else failures + 1
    if was_killed:
        # Another process has killed it, so it is never given up for that.
        return min(failures, MAX_FAILURES - 1)
    return MAX_FAILURES if run.cannot_run or run.code in final_codes else failures


def backoff_s(failures: int) -> float:
    """Returns how long to wait before the next start, in seconds."""
    return min(_BACKOFF_S * 2.0 ** (min(failures, MAX_FAILURES) - 1), MAX_BACKOFF_S)
