"""Counts the moments whose events were made, and reports the number once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from tandem.producer.sample import Event, Moment

# The key of the lines that a producer prints with `--progress`.
EVENTS_MADE = "events_made"
_INTERVAL_S = 1.0


class CountedEvents:
    """A pipeline's function of events that counts its calls.

    It is called once for each moment of a plan.

    Args:
        events: the pipeline's function.
        report: gets the number of calls.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        events: Callable[[Moment], Iterable[Event]],
        report: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events, self._report, self._clock = events, report, clock
        self._number, self._next_s = 0, clock() + _INTERVAL_S

    def __call__(self, moment: Moment) -> Iterable[Event]:
        """Returns the moment's events."""
        self._number += 1
        if (now := self._clock()) >= self._next_s:
            self._next_s = now + _INTERVAL_S
            self.report()
        return self._events(moment)

    def report(self) -> None:
        """Reports the number now."""
        self._report(self._number)
