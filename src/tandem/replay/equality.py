"""Compares two stored documents field by field."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

from bson.dbref import DBRef
from bson.int64 import Int64


def changed_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Returns the fields that differ in presence, value or type.

    A null is not a missing field, and NaN equals itself. The order of fields does not matter.
    """
    return {
        name
        for name in old.keys() | new.keys()
        if name not in old or name not in new or not _same(old[name], new[name])
    }


def type_name(value: Any) -> str:
    """Returns MongoDB's name of a number's type, or Python's name of another type."""
    names: dict[type, str] = {int: "int", Int64: "long", float: "double"}
    return names.get(type(value), type(value).__name__)


def _same(old: Any, new: Any) -> bool:
    if type(old) is not type(new):
        return False
    if isinstance(old, DBRef):  # PyMongo reads a nested document with the fields $ref and $id as this
        return _same(dict(old.as_doc()), dict(new.as_doc()))
    if isinstance(old, dict):
        return not changed_fields(old, new)
    if isinstance(old, list):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, float) and isnan(old):
        return isnan(new)
    return bool(old == new)
