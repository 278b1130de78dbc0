"""Chooses how two streams are joined, and what documents call their fields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from tandem.engine.declare.field_name import Path, find, folded
from tandem.engine.declare.kind import Kind
from tandem.errors import UsageError
from tandem.scaffold.chosen import SECOND_OPTIONS, Choice, Chosen, choose, kind_at
from tandem.scaffold.described import Described
from tandem.scaffold.infer.join_key import JoinKey, chosen_join_key, guess_join_key
from tandem.scaffold.names import document_names, in_documents, unlike

# What documents of events without a partner have besides the events' fields.
KIND = "kind"


@dataclass(frozen=True)
class Joining:
    """Two streams that are joined.

    Attributes:
        left: the stream whose records the key identifies.
        right: the stream that refers to them.
        key: the fields.
    """

    left: Chosen
    right: Chosen
    key: JoinKey

    @cached_property
    def refers(self) -> Path:
        """Where the right stream names a record of the left one."""
        found = find(self.right.stream.fields, self.key.refers, may_be_absent=True)
        return found[0] if found else (self.key.refers,)

    @property
    def identity_path(self) -> Path:
        """Where the identity of a record of the left stream is."""
        return self.left.stream.identity_paths[0] if self.left.stream.identity_paths else ()

    @property
    def identity_kind(self) -> Kind:
        """The type of the left stream's identity."""
        return kind_at(self.left.described.fields, self.identity_path)

    @property
    def refers_kind(self) -> Kind:
        """The type of the right stream's field."""
        return kind_at(self.right.described.fields, self.refers)

    @property
    def by_text(self) -> bool:
        """Whether the keys are compared as texts.

        They are if they are nested or have different types.
        """
        is_nested = len(self.refers) > 1 or len(self.identity_path) > 1
        return is_nested or type(self.identity_kind) is not type(self.refers_kind)

    @property
    def is_shared(self) -> bool:
        """Whether documents have the key once: both streams call it the same."""
        return not self.by_text and self.left.stream.identity_column == self.refers[0]

    @cached_property
    def left_names(self) -> dict[str, str]:
        """The names of the left stream's columns in documents."""
        return document_names(self.left.columns, self.left.record, [KIND, *self._in_both])

    @cached_property
    def right_names(self) -> dict[str, str]:
        """The names of the right stream's columns in documents."""
        own = [column for column in self.right.columns if not (self.is_shared and column == self.refers[0])]
        taken = [KIND, *self._in_both, *self.left_names.values()]
        names = document_names(own, self.right.record, taken)
        if self.is_shared:
            names[self.refers[0]] = self.left_key
        return {column: names[column] for column in self.right.columns}

    @property
    def left_key(self) -> str:
        """The left stream's identity in documents."""
        return self.left_names[self.left.stream.identity_column]

    @property
    def right_identity(self) -> str:
        """The right stream's identity in documents."""
        return self.right_names[self.right.stream.identity_column]

    def column(self, name: str) -> str:
        """Returns the name of a column that no document has."""
        return unlike(name, [*self.left_names.values(), *self.right_names.values()])

    @property
    def _in_both(self) -> list[str]:
        """The names that both streams' columns would have, without that of a shared key."""
        shared = self.refers[0] if self.is_shared else None
        left, right = (
            {folded(in_documents(column)) for column in each.columns if column != shared}
            for each in (self.left, self.right)
        )
        return sorted(left & right)


@dataclass(frozen=True)
class JoinChoice:
    """What the user chose for a join; None to guess.

    Attributes:
        first: for the first stream.
        second: for the second one.
        on: the key: a field of both, or ``FIELD=FIELD``.
    """

    first: Choice
    second: Choice
    on: str | None


NO_CHOICE = JoinChoice(Choice(), Choice(options=SECOND_OPTIONS), None)


def joining(first: Described, second: Described, choice: JoinChoice, pipeline: str, now_ms: int) -> Joining:
    """Returns the join of two streams.

    Raises:
        UsageError: no field identifies the records of one and is in the other, or a chosen field is not valid.
    """
    if second.name == first.name:
        second = replace(second, name=unlike(second.name, [first.name]))
    chosen = (choice.first.identity, choice.second.identity)
    if choice.on is None:
        key = guess_join_key(first, second, chosen)
    else:
        key = chosen_join_key(first, second, choice.on, chosen)
    identified, referring, of_left, of_right = first, second, choice.first, choice.second
    if key.swapped:
        identified, referring, of_left, of_right = second, first, choice.second, choice.first
    if of_left.identity not in ((), (key.identity,)):
        raise UsageError(
            f"{identified.source}: the join is on {key.described}, and not on {', '.join(of_left.identity)}",
            hint="choose the field that identifies a record with --on also",
        )
    left = choose(
        identified, replace(of_left, identity=(key.identity,), reason="the key of the join"), pipeline, now_ms
    )
    right = choose(referring, of_right, pipeline, now_ms)
    alone = "unmatched_{}".format
    if right.record in (left.record, alone(left.record)) or left.record == alone(right.record):
        # The modules have functions of these names for each kind of record.
        right = replace(right, record=unlike(right.record, [left.record, alone(left.record), right.record]))
    return Joining(left, right, key)
