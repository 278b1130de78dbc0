"""Collects why parts of a schema cannot be declared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tandem.engine.declare.field_name import check_names, folded
from tandem.engine.declare.kind import Decimal, Kind, Record
from tandem.verify.strict_json import Number


class CannotDeclareError(Exception):
    """A part of a schema that no stream can declare, and the reason.

    The reason follows the field's path.
    """


def with_default(kind: Kind, value: Any) -> Kind:
    """Returns a type with a default; without one where the type has no such value."""
    if isinstance(value, Number):
        value = str(value) if isinstance(kind, Decimal) else float(value)
    try:
        return kind.default(value)
    except ValueError:
        return kind.optional()


def usable(names: Iterable[str], notes: list[str]) -> list[str]:
    """Returns the names that fields can have; notes the others."""
    found: dict[str, str] = {}
    for name in names:
        try:
            check_names([name])
        except ValueError as error:
            notes.append(f"left out: {error}")
            continue
        if folded(name) in found:
            notes.append(f"left out: field {name!r} differs from {found[folded(name)]!r} in case alone")
        else:
            found[folded(name)] = name
    return list(found.values())


def record_of(fields: dict[str, Kind]) -> Record:
    """Returns the type of a record.

    Raises CannotDeclareError where none of its fields can be declared.
    """
    if not fields:
        raise CannotDeclareError("has no field that can be declared")
    return Record(fields)
