"""Guesses which fields identify a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

from tandem.engine.declare.field_name import find, folded, value_at
from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import Decimal, Integer, Kind, Record, String
from tandem.engine.declare.stream import IDENTITY, RecordPart
from tandem.scaffold.infer.observed import Sample
from tandem.scaffold.infer.words import identity_score, is_position_like, is_wrapper, words_of

_NESTED = 20
# Fields that are tried in pairs.
_MOST_CANDIDATES = 8

Identity = str | tuple[str, ...] | Literal[RecordPart.KEY]


class Candidate(NamedTuple):
    """A field that may identify records: its path, its type and its likelihood."""

    path: str
    kind: Kind
    score: int


class Guess(NamedTuple):
    """An identity and why it was chosen."""

    identity: Identity
    reason: str


class Repeat(NamedTuple):
    """Two different records with the same identity: where they are."""

    first: str
    second: str


def guess_identity(fields: Mapping[str, Kind], samples: Sequence[Sample], record: str) -> Guess:
    """Returns the fields that identify a record, by names and samples.

    In samples, their values must be unique.

    Args:
        fields: the declared fields.
        samples: records; none for a schema.
        record: what one record is called, such as ``order``.
    """
    # Samples may show that a string is empty; a schema does not say so of an identity.
    found = [
        each
        for each in candidates(fields, record)
        if (each.kind != FieldType.TEXT or not samples) and (each.path in fields or not collides(fields, each.path))
    ]
    # Records that lack a field with a default have the same value.
    named = sorted(
        (each for each in found if each.score > 0), key=lambda each: (each.kind.fallback is not None, -each.score)
    )
    for each in named:
        if repeat_of((each.path,), samples) is None:
            return Guess(each.path, unique_in(samples))
    likely = [*named, *(each for each in found if each.score <= 0 and is_position_like(each.path))]
    parts = [each for each in likely if not collides(fields, each.path)]
    for one, other in combinations(parts[:_MOST_CANDIDATES], 2):
        pair = (one.path, other.path)
        if len(samples) > 1 and repeat_of(pair, samples) is None:
            return Guess(pair, f"together {unique_in(samples)}")
    return Guess(RecordPart.KEY, "no field identifies a record; name one with --id")


def collides(fields: Mapping[str, Kind], path: str, column: str = IDENTITY) -> bool:
    """Returns whether a field is in one with the name of a column that the rows get."""
    found = find(fields, path, may_be_absent=True)
    return found is not None and folded(found[0][0]) == column


def candidates(fields: Mapping[str, Kind], record: str) -> list[Candidate]:
    """Returns the strings and whole numbers that every record has, in their order."""
    return [
        Candidate(path, kind, max(0, identity_score(_in_full(path, name, record), record) - _NESTED * depth))
        for path, name, kind, depth in required(fields)
        if isinstance(kind, String | Integer) or (isinstance(kind, Decimal) and kind.scale == 0)
    ]


def _in_full(path: str, name: str, record: str) -> str:
    """Returns a field's name, with that of what it identifies.

    An id in a nested record identifies what that is called, unless it is only a wrapper.
    """
    outer = words_of(parent_of(path, name))
    return name if not outer or outer == words_of(record) or is_wrapper(outer) else f"{' '.join(outer)} {name}"


def parent_of(path: str, name: str) -> str:
    """Returns the name of the record that a field is in; empty where it is in none.

    >>> parent_of("after.order.id", "id"), parent_of("id", "id")
    ('order', '')
    """
    return path.removesuffix(name).removesuffix(".").rpartition(".")[2]


def required(fields: Mapping[str, Kind], outer: str = "", depth: int = 0) -> Iterator[tuple[str, str, Kind, int]]:
    """Yields the required fields: path, name, type and number of records."""
    for name, kind in fields.items():
        if not kind.is_optional or kind.fallback is not None:
            yield outer + name, name, kind, depth
            if isinstance(kind, Record):
                yield from required(kind.fields, f"{outer}{name}.", depth + 1)


def repeat_of(paths: Sequence[str], samples: Sequence[Sample]) -> Repeat | None:
    """Returns two records that differ but have the same values in these fields.

    None where there are none.
    """
    there: dict[tuple[Any, ...], Sample] = {}
    for sample in samples:
        values = tuple(repr(value_at(sample.fields, path)) for path in paths)
        other = there.setdefault(values, sample)
        if other is not sample and other.fields != sample.fields:
            return Repeat(other.place, sample.place)
    return None


def unique_in(samples: Sequence[Sample]) -> str:
    """Returns how sure it is that a field is unique."""
    if not samples:
        return "by its name"
    return f"unique in {len(samples):,} record{'s' if len(samples) > 1 else ''}"
