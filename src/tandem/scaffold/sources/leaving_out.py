"""Collects why parts of a schema cannot be declared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tandem.engine.declare.kind import Kind, Record
from tandem.errors import UsageError
from tandem.scaffold.names import problem_of_name

# A part that others refer to counts wherever it is used.
MOST_PARTS = 10_000
# So much of a default is shown.
_LONGEST = 40
# So many notes are in a hint.
_FEW = 5


class CannotDeclareError(Exception):
    """A part of a schema that no stream can declare, and the reason.

    The reason follows the field's path.
    """


class NoFieldError(CannotDeclareError):
    """A record has no field that can be declared; notes say why of each field."""


class TooLargeError(Exception):
    """A schema has too many parts, as if its definitions refer to each other."""


class Parts:
    """Counts the parts of a schema, each time that one is used."""

    def __init__(self) -> None:
        self._left = MOST_PARTS

    def count(self) -> None:
        """Counts one part; raises TooLargeError where there are too many."""
        self._left -= 1
        if self._left < 0:
            raise TooLargeError


def too_large(source: str) -> UsageError:
    """Returns the error about a schema with too many parts."""
    return UsageError(
        f"{source}: the schema has more than {MOST_PARTS:,} parts, each counted where it is used",
        hint="give a schema whose definitions do not refer to each other, or samples",
    )


def first_of(notes: Sequence[str]) -> str:
    """Returns the first few notes, for a hint."""
    return "; ".join([*notes[:_FEW], *(["..."] if len(notes) > _FEW else [])])


def with_default(kind: Kind, value: Any, path: str, notes: list[str]) -> Kind:
    """Returns a type with a default.

    Where the type has no such value, the field is optional, which is noted.

    Args:
        kind: the type.
        value: the default as a Python value of this type; any other is none.
        path: the field's, for the note.
        notes: where to add it.
    """
    try:
        return kind.default(value)
    except ValueError:
        shown = repr(value) if len(repr(value)) < _LONGEST else f"{repr(value)[:_LONGEST]}..."
        notes.append(f"{path}: its default {shown} cannot be declared; a missing field is null")
        return kind.optional()


def usable(names: Iterable[str], notes: list[str]) -> list[str]:
    """Returns the names that fields can have; notes the others."""
    found: list[str] = []
    for name in names:
        if problem := problem_of_name(name, found):
            notes.append(f"left out: {problem}")
        else:
            found.append(name)
    return found


def note_left_out(notes: list[str], path: str, error: CannotDeclareError, known: int) -> None:
    """Notes that a field is left out, if no note says so of the fields in it.

    Args:
        notes: where to add it.
        path: the field's.
        error: why it is left out.
        known: how many notes there were before the field was read.
    """
    if not (isinstance(error, NoFieldError) and len(notes) > known):
        notes.append(f"left out: {path} {error}")


def record_of(fields: dict[str, Kind]) -> Record:
    """Returns the type of a record.

    Raises NoFieldError where none of its fields can be declared.
    """
    if not fields:
        raise NoFieldError("has no field that can be declared")
    return Record(fields)
