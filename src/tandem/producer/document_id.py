"""Makes the ``_id`` of a document, as ``engine.read.document_id`` does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import getitem
from typing import Any

from tandem.engine.declare.field_name import Path, find
from tandem.engine.declare.stream import Stream

# The types of which ``document_id`` accepts values.
Part = str | int | Decimal | date
_FIRST_PART = re.compile(r"((?:[^|\\]|\\.)*)\|", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def document_id(*parts: Part) -> str:
    """Returns the parts joined by ``|``; a ``|`` inside a part is escaped with ``\\``.

    >>> document_id("a|b", 5, True, Decimal("1.50"), date(2026, 11, 29))
    'a\\\\|b|5|true|1.50|2026-11-29'

    Args:
        parts: values of an event; a string is written unchanged, an integer in digits, a boolean as ``true`` or
            ``false``, a date as 2026-11-29, a decimal with all digits of its scale.
    """
    return "|".join(text_of(part).replace("\\", "\\\\").replace("|", "\\|") for part in parts)


def first_part(document: str) -> str | None:
    """Returns the text of the first part of a document's ``_id``.

    None if the ``_id`` has a single part.

    >>> first_part(document_id("a|b", 5))
    'a|b'
    """
    found = _FIRST_PART.match(document)
    return _ESCAPED.sub(r"\1", found[1]) if found else None


def text_of(part: Part) -> str:
    """Returns the text of one part, as Spark casts it to a string."""
    if isinstance(part, bool):
        return "true" if part else "false"
    return format(part, "f") if isinstance(part, Decimal) else str(part)


def identity_in(stream: Stream, fields: Mapping[str, Any], key: str) -> str:
    """Returns the identity of an event.

    Args:
        stream: the event's stream.
        fields: its fields.
        key: the record's key; it does not matter if the stream does not need it.
    """
    if stream.identity_paths is None:
        return key
    return identity_of([_part(stream, fields, path) if path else key for path in stream.identity_paths])


def identity_of(parts: Sequence[Part]) -> str:
    """Returns the identity made of several values.

    A single value is its text, unescaped.
    """
    return text_of(parts[0]) if len(parts) == 1 else document_id(*parts)


def with_identity(stream: Stream, fields: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    """Returns an event's fields with another first text of its identity."""
    for path in stream.identity_paths or ():
        if path and isinstance(_part(stream, fields, path), str):
            return replaced(fields, path, label)
    return fields


def at(fields: Mapping[str, Any], path: Path) -> Any:
    """Returns the value at a path of nested fields."""
    found: Any = reduce(getitem, path, fields)
    return found


def given(fields: Mapping[str, Any], path: Path) -> Any:
    """Returns the value at a path of nested fields; None if the last field is missing."""
    *outer, name = path
    return reduce(getitem, outer, fields).get(name)


def default_at(stream: Stream, path: Path) -> Any:
    """Returns the default of a missing field, ``Declared.fallback``.

    Raises:
        ValueError: the field is required.
    """
    found = find(stream.fields, ".".join(path))
    if found is None or found[1].fallback is None:
        raise ValueError(f"an event of {stream.name} has no {'.'.join(path)}")
    return found[1].fallback


def replaced(fields: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Returns a copy of nested fields with another value at a path."""
    name, *rest = path
    return {**fields, name: replaced(fields[name], tuple(rest), value) if rest else value}


def _part(stream: Stream, fields: Mapping[str, Any], path: Path) -> Any:
    value = given(fields, path)
    return default_at(stream, path) if value is None else value
