"""Finds the durations among a transform's parameters."""

from __future__ import annotations

from collections.abc import Mapping

_SECONDS = "_seconds"


def durations_of(parameters: Mapping[str, object]) -> list[float]:
    """Returns the durations among a transform's parameters, in seconds.

    Durations are numbers with names that end with ``_seconds``.
    """
    return [
        float(value)
        for name, value in parameters.items()
        if name.endswith(_SECONDS) and isinstance(value, int | float) and not isinstance(value, bool)
    ]
