"""Adds up the durations among a transform's parameters."""

from __future__ import annotations

from collections.abc import Mapping

_SECONDS = "_seconds"


def sum_of_durations(parameters: Mapping[str, object]) -> float:
    """Returns the sum of a transform's durations, in seconds.

    These are the positive numbers among its parameters whose names end with ``_seconds``. An event's partners are at
    most so far away, because a join may feed a window.
    """
    return sum(
        float(value)
        for name, value in parameters.items()
        if name.endswith(_SECONDS) and isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    )
