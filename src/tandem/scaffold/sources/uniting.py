"""Finds one type for a value that may have one of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import Bytes, Date, Double, Enum, Integer, Kind, String, Timestamp, TimeUnit


def united(kinds: Sequence[Kind]) -> Kind | None:
    """Returns the type that has the values of all types; None if there is none.

    Numbers become doubles, and strings of different forms become texts.

    >>> str(united([FieldType.enum("a"), FieldType.enum("b")])), str(united([FieldType.INTEGER, FieldType.DOUBLE]))
    ('enum', 'double')
    """
    first, *others = (replace(kind, is_optional=False, fallback=None) for kind in kinds)
    each = [first, *others]
    found: Kind | None = None
    if all(kind == first for kind in others):
        found = first
    elif all(isinstance(kind, Enum) for kind in each):
        found = FieldType.enum(*dict.fromkeys(symbol for kind in each for symbol in getattr(kind, "symbols", ())))
    elif all(isinstance(kind, Integer) for kind in each):
        found = FieldType.INTEGER
    elif all(isinstance(kind, Integer | Double) for kind in each):
        found = FieldType.DOUBLE
    elif all(map(_is_string, each)):
        found = FieldType.TEXT
    return found.optional() if found and any(kind.is_optional for kind in kinds) else found


def _is_string(kind: Kind) -> bool:
    is_time = isinstance(kind, Timestamp) and kind.unit is TimeUnit.ISO_8601
    return is_time or isinstance(kind, String | Enum | Date | Bytes)
