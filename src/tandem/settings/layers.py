"""Merges layers of nested settings, and makes the paths in them absolute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from tandem.settings.variables import fields

# The placeholder of a profile's own state folder, with which paths begin.
HOME = "{home}"
# References to a file.
_PASSWORDS = (("kafka", "password"), ("mongo", "password"))


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


def nested(values: Iterable[tuple[Sequence[str], Any]]) -> dict[str, Any]:
    """Returns nested settings, given values with their paths."""
    found: dict[str, Any] = {}
    for path, value in values:
        for key in reversed(path):
            value = {key: value}
        found = merged(found, value)
    return found


def with_absolute_paths(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns nested settings with absolute paths.

    Args:
        values: the settings.
        folder: what relative paths are relative to.
    """
    paths = {path for path, kind in fields() if Path in (kind, *get_args(kind))}

    def resolved(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return {key: resolved(inner, (*path, key)) for key, inner in value.items()}
        if path in paths and isinstance(value, str | Path) and not str(value).startswith(HOME):
            return absolute(value, folder)
        if path in _PASSWORDS and isinstance(value, str) and value.startswith("file:"):
            return f"file:{absolute(value.removeprefix('file:'), folder)}"
        return value

    return {key: resolved(value, (key,)) for key, value in values.items()}


def absolute(path: str | Path, folder: Path) -> Path:
    """Returns an absolute path; a relative one is relative to the folder."""
    return folder / Path(path).expanduser()
