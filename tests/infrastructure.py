"""Reads the files of infra/ by a parser of HCL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hcl2

_OPTIONS = hcl2.SerializationOptions(
    with_comments=False, explicit_blocks=False, preserve_heredocs=False, strip_string_quotes=True
)


def read(folder: Path) -> dict[str, Any]:
    """Returns all blocks of a module by their kind, and the labels below."""
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.tf")):
        for kind, blocks in hcl2.loads(file.read_text("utf-8"), serialization_options=_OPTIONS).items():
            for block in blocks:
                _merge(found.setdefault(kind, {}), block)
    return found


def _merge(into: dict[str, Any], block: Mapping[str, Any]) -> None:
    for key, value in block.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            assert key not in into, f"{key} is defined twice"
            into[key] = value


def resources(module: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Returns the resources of a type."""
    return list(module.get("resource", {}).get(kind, {}).values())


def texts(value: Any) -> Iterator[str]:
    """Yields all strings in a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (str(key), *texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def references(value: Any, kind: str) -> set[str]:
    """Returns the names behind ``kind.`` in all expressions of a value."""
    pattern = rf"(?<![\w.]){kind}\.([a-z_0-9]+)"
    return {name for text in texts(value) for name in re.findall(pattern, text)}
