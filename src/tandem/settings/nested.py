"""Dictionaries that are nested like the settings: merged, made and walked through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one dictionary of all layers' values; a later layer wins."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            known = result.get(key)
            if isinstance(known, Mapping) and isinstance(value, Mapping):
                result[key] = merged(known, value)
            else:
                result[key] = value
    return result


def nest(path: Sequence[str], value: Any) -> dict[str, Any]:
    """Returns the dictionary in which these names, one inside the other, lead to the value."""
    first, *rest = path
    return {first: nest(rest, value) if rest else value}


def leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields each value that is no dictionary, with the names that lead to it."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value
