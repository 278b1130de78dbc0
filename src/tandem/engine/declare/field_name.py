"""Checks the names of declared fields, and finds fields by their path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tandem.engine.declare.kind import Kind

# The prefix of the engine's own columns.
RESERVED = "_aside"
# The names that lead to a field: first the stream's field, then the nested ones.
Path = tuple[str, ...]


def check_names(names: Iterable[str]) -> None:
    """Raises ValueError if Spark or MongoDB does not accept one of these field names."""
    names = list(names)
    if not names:
        raise ValueError("a record needs at least one declared field")
    for name in names:
        if not name or not name.isprintable() or ("'" in name and '"' in name):
            raise ValueError(
                f"field {name!r}: a name must not be empty, must be printable, and must not have both kinds of quotes"
            )
        if folded(name).startswith(RESERVED):
            raise ValueError(f"field {name!r}: names that begin with {RESERVED} are reserved for the engine")
    for name_of_all, number in Counter(map(folded, names)).items():
        if number > 1:
            alike = ", ".join(repr(name) for name in names if folded(name) == name_of_all)
            raise ValueError(f"fields {alike} differ only in case, and Spark's names are case-insensitive")


def folded(name: str) -> str:
    """Returns a name's case-insensitive form, as Java compares names."""
    return name.upper().lower()


def quoted(name: str) -> str:
    """Returns a column's name as an expression of SQL has it."""
    return f"`{name.replace('`', '``')}`"


def unusable_in_documents(names: Iterable[str]) -> list[str]:
    """Returns a message for each name that a document's top-level field cannot have.

    MongoDB's driver cannot replace a document that has a field beginning with ``$``. A query reads a dot as a path.
    """
    return [
        f"field {name!r}: a document's field cannot begin with $ or have a dot or a NUL; rename it in the transform"
        for name in names
        if name.startswith("$") or "." in name or "\0" in name
    ]


def find(fields: Mapping[str, Kind], path: str, *, may_be_absent: bool = False) -> tuple[Path, Kind] | None:
    """Returns the path and type of a field named like ``after.id``; None if there is none.

    A name may contain dots itself. All but the last field must be records.

    Args:
        fields: the declared fields.
        path: the names, with a dot between them.
        may_be_absent: whether the field, or a record that contains it, may be optional.
    """
    parts = path.split(".")
    for number in range(len(parts), 0, -1):
        name, rest = ".".join(parts[:number]), ".".join(parts[number:])
        kind = fields.get(name)
        if kind is None or (kind.is_optional and kind.fallback is None and not may_be_absent):
            continue
        if not rest:
            return (name,), kind
        inner = find(getattr(kind, "fields", {}), rest, may_be_absent=may_be_absent)
        if inner is not None:
            return (name, *inner[0]), inner[1]
    return None


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """Returns the value at a path such as ``after.id``.

    None if the field or its record is absent.
    """
    if path in values:
        return values[path]
    parts = path.split(".")
    for number in range(len(parts) - 1, 0, -1):
        inner = values.get(".".join(parts[:number]))
        if isinstance(inner, Mapping):
            return value_at(inner, ".".join(parts[number:]))
    return None
