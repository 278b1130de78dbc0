"""Counts and latencies of each second of the last 15 minutes, in constant memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

LENGTH_S = 900
# Single latencies are kept for this long; older seconds keep their quantiles.
SINGLE_S = 75
# Enough for a p99; a second with more keeps every second latency, then every fourth, and so on.
_MAX_LATENCIES = 500

_Quantiles = tuple[float | None, float | None]


@dataclass
class _Second:
    count: float = 0.0
    money: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("f"))
    every: int = 1
    seen: int = 0
    # Cached until another latency comes, because an opened page gets all seconds at once.
    quantiles: _Quantiles | None = None
    settled: bool = False

    def take(self, latency_s: float) -> None:
        """Keeps a latency, or skips it if there are many."""
        if self.settled:
            return
        if self.seen % self.every == 0:
            if len(self.latencies) == _MAX_LATENCIES:
                self.latencies, self.every = self.latencies[::2], 2 * self.every
            self.latencies.append(latency_s)
            self.quantiles = None
        self.seen += 1

    def p50_p99(self) -> _Quantiles:
        """Returns the quantiles of the latencies."""
        if self.quantiles is None:
            ordered = sorted(self.latencies)
            self.quantiles = quantile(ordered, 0.5), quantile(ordered, 0.99)
        return self.quantiles

    def settle(self) -> None:
        """Keeps the quantiles and drops the latencies."""
        if not self.settled:
            self.p50_p99()
            self.latencies, self.settled = array("f"), True


@dataclass(frozen=True)
class Point:
    """One second.

    Attributes:
        second: the second since 1970.
        count: the number of documents.
        money: the sum of their amounts.
        p50: the median latency in seconds; None without documents, or if their event times are long past.
        p99: the 99th percentile, likewise.
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
        if latency_s is not None:
            entry.take(latency_s)

    def spread(self, first: int, last: int, count: float, money: float) -> None:
        """Counts unread documents, evenly over the seconds in which they arrived."""
        seconds = range(first, last + 1)
        for second in seconds:
            entry = self._entry(second)
            entry.count += count / len(seconds)
            entry.money += money / len(seconds)

    def points(self, first: int, last: int) -> Iterator[Point]:
        """Yields every second from the first to the last, including empty ones."""
        for second in range(first, last + 1):
            entry = self._seconds.get(second)
            if entry is None:
                yield Point(second, 0.0, 0.0, None, None)
            else:
                yield Point(second, entry.count, entry.money, *entry.p50_p99())

    def latencies(self, first: int, last: int) -> list[float]:
        """Returns the latencies of some seconds, in order; only of the last ``SINGLE_S``."""
        points = (self._seconds.get(second) for second in range(first, last + 1))
        return sorted(latency for entry in points if entry for latency in entry.latencies)

    def _entry(self, second: int) -> _Second:
        entry = self._seconds.get(second)
        if entry is None:
            entry = self._seconds[second] = _Second()
            for old in [each for each in self._seconds if each < second - LENGTH_S]:
                del self._seconds[old]
            for each, past in self._seconds.items():
                if each < second - SINGLE_S:
                    past.settle()
        return entry


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Returns the quantile of ordered values for a share; None without values."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
