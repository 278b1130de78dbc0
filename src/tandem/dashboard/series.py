"""What happened in each second of the last quarter of an hour, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

LENGTH_S = 900
# Enough for a p99; a second with more is sampled by its first ones.
_MAX_LATENCIES = 500


@dataclass
class _Second:
    count: float = 0.0
    money: float = 0.0
    latencies: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Point:
    """One second.

    Attributes:
        second: since 1970.
        count: how many documents came.
        money: the sum of their amounts.
        p50: the median latency in seconds; None when nothing came, or its times lie in the past.
        p99: likewise.
    """

    second: int
    count: float
    money: float
    p50: float | None
    p99: float | None


class Seconds:
    """Documents by the second in which MongoDB stored them."""

    def __init__(self) -> None:
        self._seconds: dict[int, _Second] = {}

    def add(self, second: int, money: float, latency_s: float | None) -> None:
        """Counts one document."""
        entry = self._entry(second)
        entry.count += 1
        entry.money += money
        if latency_s is not None and len(entry.latencies) < _MAX_LATENCIES:
            entry.latencies.append(latency_s)

    def spread(self, first: int, last: int, count: float, money: float) -> None:
        """Counts documents that nobody looked at, evenly over the seconds in which they came."""
        seconds = range(first, last + 1)
        for second in seconds:
            entry = self._entry(second)
            entry.count += count / len(seconds)
            entry.money += money / len(seconds)

    def points(self, first: int, last: int) -> Iterator[Point]:
        """Yields every second from the first to the last, the empty ones too."""
        for second in range(first, last + 1):
            entry = self._seconds.get(second)
            if entry is None:
                yield Point(second, 0.0, 0.0, None, None)
            else:
                ordered = sorted(entry.latencies)
                yield Point(second, entry.count, entry.money, quantile(ordered, 0.5), quantile(ordered, 0.99))

    def latencies(self, first: int, last: int) -> list[float]:
        """Returns the latencies of some seconds, in order."""
        found = (self._seconds.get(second) for second in range(first, last + 1))
        return sorted(latency for entry in found if entry for latency in entry.latencies)

    def _entry(self, second: int) -> _Second:
        entry = self._seconds.get(second)
        if entry is None:
            entry = self._seconds[second] = _Second()
            for old in [each for each in self._seconds if each < second - LENGTH_S]:
                del self._seconds[old]
        return entry


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Returns the value below which a share of the ordered values lies, or None when there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
