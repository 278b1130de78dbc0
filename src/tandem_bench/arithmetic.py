"""The arithmetic of measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """The values of one measurement in several rounds.

    Attributes:
        values: one for each round, in order; at least one.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a figure needs a value")

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """The difference of the extremes, as a part of the median; 0 for a single value."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0


def ratio(ours: Figure, theirs: Figure) -> float:
    """Returns the median of the rounds' ratios: a disturbance in a round affects both.

    Raises:
        ValueError: they are not of the same rounds.
    """
    if len(ours.values) != len(theirs.values):
        raise ValueError("a ratio needs two figures of the same rounds")
    return median(a / b if b else math.inf for a, b in zip(ours.values, theirs.values, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the smallest value that at least ``share`` (above 0, at most 1) of the values do not exceed.

    Raises:
        ValueError: there are no values, or the share is none.
    """
    if not values or not 0 < share <= 1:
        raise ValueError("a percentile needs values and a share above 0")
    return sorted(values)[math.ceil(share * len(values)) - 1]
