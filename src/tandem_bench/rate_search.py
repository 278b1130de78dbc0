"""Finds the highest rate that a job sustains, in few tries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import linear_regression

# Two tried rates so close to each other bound the result well enough.
_CLOSE = 1.15
# The lag may grow by this part of the rate, which is less than the times of batches let it vary.
_GROWTH = 0.01


def next_rate(tried: Mapping[float, bool], first: float) -> float | None:
    """Returns the next rate to try.

    None if the highest sustained rate is known well enough.

    Args:
        tried: whether the job sustained each tried rate.
        first: the first rate to try.
    """
    if not tried:
        return first
    sustained = [rate for rate, held in tried.items() if held]
    failed = [rate for rate, held in tried.items() if not held]
    if not failed:
        return 2 * max(sustained)
    lowest = min(failed)
    below = [rate for rate in sustained if rate < lowest]
    if not below:
        return rounded(lowest / 2)
    if lowest / max(below) <= _CLOSE:
        return None
    between = rounded(math.sqrt(lowest * max(below)))
    return None if between in tried else between


def rounded(rate: float) -> float:
    """Returns a rate with two significant digits."""
    return float(f"{rate:.2g}")


def is_flat(times: Sequence[float], lags: Sequence[float], rate: float) -> bool:
    """Returns whether a lag does not grow.

    Args:
        times: when the lag was read, in seconds; at least two different ones.
        lags: the lag at each of them, in records.
        rate: the load, in records a second.
    """
    return linear_regression(times, lags).slope < _GROWTH * rate
