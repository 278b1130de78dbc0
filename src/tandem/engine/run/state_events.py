"""Estimates how many events are in state, by their event times.

Spark's own count costs a look-up for each row that it writes. For thousands of events of one key and one time, each
look-up reads all of them.
"""

from __future__ import annotations

import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from tandem.engine.declare.durations import sum_of_durations
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline

# An event waits up to this if the transform's durations may not be all that it does.
_UNKNOWN_S = 86_400.0
_BUCKETS = 100


class StateEvents:
    """Counts the events in state, by event time.

    An event waits until the watermark has passed its time by the usual wait. The events of a batch count as spread
    evenly between its oldest and its newest event time. All times are in milliseconds since the epoch.

    Args:
        usual_s: how far the watermark usually passes an event's time before the event leaves the state, in seconds.
        longest_s: the same for any event.
        lateness_s: how far the watermark is behind the newest event time, in seconds.

    Attributes:
        number: about how many events are in state.
    """

    def __init__(self, usual_s: float, longest_s: float, lateness_s: float) -> None:
        self._usual_ms, self._longest_ms = round(usual_s * 1000), round(longest_s * 1000)
        self._span_ms = round((usual_s + lateness_s) * 1000)
        self._width_ms = max(1, self._span_ms // _BUCKETS)
        self._counts: dict[int, float] = defaultdict(float)
        self._newest_ms: int | None = None
        self._watermark_ms = 0
        self.number = 0

    @classmethod
    def of(cls, pipeline: Pipeline, config: JobConfig) -> StateEvents:
        """Returns the events of a pipeline's job; there are none yet.

        The usual wait is the sum of the transform's durations, because a join may feed a window; without durations, it
        is a day. A transform that is not one join may have longer windows in its code: there the longest wait is at
        least a day.
        """
        usual_s = _durations(pipeline.transform, config.parameters) or _UNKNOWN_S
        longest_s = usual_s if pipeline.keeps_aside else max(usual_s, _UNKNOWN_S)
        return cls(usual_s, longest_s, config.lateness_seconds)

    @property
    def may_wait(self) -> bool:
        """Whether an event may wait for the watermark."""
        return self._newest_ms is not None and self._watermark_ms < self._newest_ms + self._longest_ms

    def add(self, events: int, oldest_ms: int, newest_ms: int) -> None:
        """Adds the events of one stream in one batch."""
        self._newest_ms = newest_ms if self._newest_ms is None else max(newest_ms, self._newest_ms)
        # The watermark soon passes what is older.
        first = max(oldest_ms, newest_ms - self._span_ms) // self._width_ms
        buckets = range(first, newest_ms // self._width_ms + 1)
        for bucket in buckets:
            self._counts[bucket] += events / len(buckets)
        self._count()

    def advance(self, watermark_ms: int) -> None:
        """Removes the events that the watermark has passed by the usual wait."""
        self._watermark_ms = watermark_ms
        limit_ms = watermark_ms - self._usual_ms
        for bucket in [each for each in self._counts if (each + 1) * self._width_ms <= limit_ms]:
            del self._counts[bucket]
        self._count()

    def clear(self) -> None:
        """Removes all events, as for a query without state."""
        self._counts.clear()
        self._newest_ms = None
        self._count()

    def _count(self) -> None:
        self.number = math.ceil(round(math.fsum(self._counts.values()), 6))


def _durations(transform: Callable[..., Any], parameters: Mapping[str, object]) -> float:
    defaults = {each.name: each.default for each in inspect.signature(transform).parameters.values()}
    return sum_of_durations({**defaults, **parameters})
