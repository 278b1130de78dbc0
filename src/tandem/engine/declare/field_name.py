"""Checks the names of declared fields, and finds fields by their path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tandem.engine.declare.kind import Kind

# What the engine's own columns begin with.
RESERVED = "_aside"
# The names from a stream's fields down to one of them.
Path = tuple[str, ...]


def check_names(names: Iterable[str]) -> None:
    """Raises ValueError where Spark or MongoDB cannot have fields of these names, with the name."""
    names = list(names)
    if not names:
        raise ValueError("a record needs at least one declared field")
    for name in names:
        if not name or not name.isprintable() or ("'" in name and '"' in name):
            raise ValueError(
                f"field {name!r}: a name is not empty, has printable characters only, and not both kinds of quotes"
            )
        if folded(name).startswith(RESERVED):
            raise ValueError(f"field {name!r}: names that begin with {RESERVED} are the engine's own")
    for name_of_all, number in Counter(map(folded, names)).items():
        if number > 1:
            alike = ", ".join(repr(name) for name in names if folded(name) == name_of_all)
            raise ValueError(f"fields {alike} differ in case alone, which Spark does not tell apart")


def folded(name: str) -> str:
    """Returns what is the same for names that Spark does not tell apart, as Java's ``equalsIgnoreCase`` does not."""
    return name.upper().lower()


def quoted(name: str) -> str:
    """Returns a column's name as an expression of SQL has it."""
    return f"`{name.replace('`', '``')}`"


def unusable_in_documents(names: Iterable[str]) -> list[str]:
    """Returns what is wrong with names of the fields of documents; those of nested fields are not looked at.

    MongoDB's driver replaces no document with a field that begins with ``$``. A query takes a dot for a path.
    """
    return [
        f"field {name!r}: a document's field cannot begin with $ or have a dot or a NUL; rename it in the transform"
        for name in names
        if name.startswith("$") or "." in name or "\0" in name
    ]


def find(fields: Mapping[str, Kind], path: str, *, may_be_absent: bool = False) -> tuple[Path, Kind] | None:
    """Returns the field that a path such as ``after.id`` leads to, and its type; None where there is none.

    A name may have dots itself. The path leads through records.

    Args:
        fields: the declared fields.
        path: the names, with a dot between them.
        may_be_absent: whether it may lead through what may be absent, or to it.
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
    """Returns the value that a path such as ``after.id`` leads to; None where something on it is absent."""
    if path in values:
        return values[path]
    parts = path.split(".")
    for number in range(len(parts) - 1, 0, -1):
        inner = values.get(".".join(parts[:number]))
        if isinstance(inner, Mapping):
            return value_at(inner, ".".join(parts[number:]))
    return None
