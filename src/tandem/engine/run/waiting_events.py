"""Estimates how many events wait in the state, by their event times.

Spark's own count costs a look-up for each row that it writes. For thousands of events of one key and one time, each
look-up reads all of them.
"""

from __future__ import annotations

import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from tandem.engine.declare.durations import durations_of

# How long an event waits if no parameter of the transform tells it.
_UNKNOWN_S = 86_400.0
_BUCKETS = 100


def longest_wait_s(transform: Callable[..., Any], parameters: Mapping[str, object]) -> float:
    """Returns the longest time that an event can wait, in seconds.

    The watermark must pass the event's time by this. It is the sum of the transform's durations, because a join may
    feed a window. Without durations, it is a day.
    """
    defaults = {each.name: each.default for each in inspect.signature(transform).parameters.values()}
    return sum(durations_of({**defaults, **parameters})) or _UNKNOWN_S


class WaitingEvents:
    """Counts the events that wait, by event time.

    An event waits until the watermark has passed its time by the longest wait. The events of a batch count as spread
    evenly between its oldest and its newest event time. All times are in milliseconds since the epoch.

    Args:
        wait_s: how far the watermark must pass an event's time, in seconds.
        lateness_s: how far the watermark is behind the newest event time, in seconds.

    Attributes:
        number: about how many events wait; 0 only if none does. Other threads may read it.
    """

    def __init__(self, wait_s: float, lateness_s: float) -> None:
        self._wait_ms, self._span_ms = round(wait_s * 1000), round((wait_s + lateness_s) * 1000)
        self._width_ms = max(1, self._span_ms // _BUCKETS)
        self._counts: dict[int, float] = defaultdict(float)
        self.number = 0

    def add(self, events: int, oldest_ms: int, newest_ms: int) -> None:
        """Adds the events of one stream in one batch."""
        # The watermark soon passes what is older.
        first = max(oldest_ms, newest_ms - self._span_ms) // self._width_ms
        buckets = range(first, newest_ms // self._width_ms + 1)
        for bucket in buckets:
            self._counts[bucket] += events / len(buckets)
        self._count()

    def advance(self, watermark_ms: int) -> None:
        """Removes the events that the watermark has passed by the longest wait."""
        limit_ms = watermark_ms - self._wait_ms
        for bucket in [each for each in self._counts if (each + 1) * self._width_ms <= limit_ms]:
            del self._counts[bucket]
        self._count()

    def clear(self) -> None:
        """Removes all events, as for a query without state."""
        self._counts.clear()
        self._count()

    def _count(self) -> None:
        self.number = math.ceil(round(math.fsum(self._counts.values()), 6))
