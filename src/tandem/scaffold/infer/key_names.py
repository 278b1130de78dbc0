"""Tells whether a field refers to another stream, by names and values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from tandem.engine.declare.field_name import folded, value_at
from tandem.scaffold.described import Described
from tandem.scaffold.infer.identity import parent_of
from tandem.scaffold.infer.words import is_wrapper, words_of

# Fewer records do not show that a field identifies them.
_ENOUGH = 3


@dataclass(frozen=True)
class KeyField:
    """A field of a stream, and its path."""

    described: Described
    path: str

    @cached_property
    def words(self) -> list[str]:
        """The words of its name."""
        return words_of(self.path.rpartition(".")[2])

    @cached_property
    def outer(self) -> list[str]:
        """The words of the record that it is in; none where that only wraps it."""
        name = self.path.rpartition(".")[2]
        words = [] if self.path in self.described.fields else words_of(parent_of(self.path, name))
        return [] if is_wrapper(words) else words


class SampleValues:
    """The values of the samples' fields, read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], frozenset[str]] = {}

    def overlap(self, one: KeyField, other: KeyField) -> bool:
        """Returns whether the two fields have a value in common."""
        return not self.of(one).isdisjoint(self.of(other))

    def include(self, identity: KeyField, refers: KeyField) -> bool:
        """Returns whether a field refers to several of the samples, and to nothing else."""
        return len(self.of(refers)) > 1 and self.of(refers) <= self.of(identity)

    def of(self, field: KeyField) -> frozenset[str]:
        """Returns the values of a field as texts."""
        place = (field.described.source, field.path)
        if place not in self._read:
            values = (value_at(each.fields, field.path) for each in field.described.samples)
            self._read[place] = frozenset(str(value) for value in values if value is not None)
        return self._read[place]


def closeness(identity: KeyField, refers: KeyField, record: str, values: SampleValues) -> int:
    """Returns how likely one field refers to another; 0 for not at all.

    Args:
        identity: the field that identifies a record.
        refers: the field that may refer to it.
        record: what an identified record is called, such as ``order``.
        values: the values of the samples.
    """
    words, others = identity.words, refers.words
    named = {tuple(others), (*refers.outer, *others)}
    identified = [outer for outer in (identity.outer, words_of(record)) if outer]
    if len(words) == 1 and words == others and refers.outer == identity.outer:
        # Both call their own identity so.
        return 10 if values.overlap(identity, refers) else 0
    if identity.path == refers.path:
        return 100
    if len(words) > 1 and any(_joined(words) == _joined(each) for each in named):
        return 80
    if any((*outer, *words) in named for outer in identified):
        return 70
    if others in identified and values.overlap(identity, refers):
        return 60
    return 55 if others[-len(words) :] == words and values.include(identity, refers) else 0


def has_same_values(identity: KeyField, refers: KeyField, values: SampleValues) -> bool:
    """Returns whether two fields with one name have the values of a key."""
    is_known = identity.path == refers.path and len(values.of(identity)) >= _ENOUGH
    return is_known and values.include(identity, refers)


def _joined(words: Iterable[str]) -> str:
    return folded("".join(words))
