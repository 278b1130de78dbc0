"""Guesses on which fields two streams are joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from tandem.engine.declare.field_name import find
from tandem.engine.declare.kind import Decimal, Integer, Kind, String
from tandem.errors import UsageError
from tandem.scaffold.described import Described
from tandem.scaffold.infer.identity import Repeat, candidates, repeat_of
from tandem.scaffold.infer.key_names import KeyField, SampleValues, closeness, has_same_values
from tandem.scaffold.infer.words import singular

# So many likely keys are shown.
_FEW = 3
_HINT = "name it with --on, such as --on order_id, or --on id=order_id where the names differ"


_IDENTIFIED = "a join needs a field that identifies the records of one stream"


# The fields that the user chose to identify the records of each stream.
Identities = tuple[tuple[str, ...], tuple[str, ...]]
# For each stream: its field of the key, the other stream's, and whether it is the second one.
Sides = tuple[tuple[Described, str, str, bool], tuple[Described, str, str, bool]]


class JoinKey(NamedTuple):
    """The fields that two streams are joined on.

    Attributes:
        identity: the field that identifies a record of one stream.
        refers: the field of the other stream with such an identity.
        swapped: whether the identified stream is the second one.
        others: fields that are as likely.
    """

    identity: str
    refers: str
    swapped: bool = False
    others: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """The key for people."""
        return self.identity if self.identity == self.refers else f"{self.identity} = {self.refers}"

    @property
    def note(self) -> str:
        """What to say about the choice."""
        others = f"; as likely: {', '.join(self.others)}; choose with --on" if self.others else ""
        return f"{self.described}{others}"


def guess_join_key(first: Described, second: Described, identities: Identities = ((), ())) -> JoinKey:
    """Returns the common field that identifies a record of one stream.

    Args:
        first: one stream.
        second: the other.
        identities: the fields that the user chose to identify the records of each; empty where none.

    Raises:
        UsageError: there is none.
    """
    found = [
        *_shared(first, second, identities[0], swapped=False),
        *_shared(second, first, identities[1], swapped=True),
    ]
    if not found:
        likely = [f"--on {one}={other}" for one, other in islice(_with_same_values(first, second), _FEW)]
        raise UsageError(
            f"{first.source} and {second.source} share no field that identifies a record of one of them",
            hint=f"{_HINT}{'; by their values: ' if likely else ''}{', '.join(likely)}",
        )
    score, key = max(found, key=lambda each: each[0])
    others = [each.described for other, each in found if other == score and each != key]
    return key._replace(others=tuple(dict.fromkeys(others)))


def chosen_join_key(first: Described, second: Described, on: str, identities: Identities = ((), ())) -> JoinKey:
    """Returns the key that the user names.

    It is a field, or one of each stream with ``=`` between them.

    Args:
        first: one stream.
        second: the other.
        on: the key as the user names it.
        identities: as for ``guess_join_key``.

    Raises:
        UsageError: a stream has no such field, or it identifies no record of either.
    """
    pairs = [(on, on), *((on[:at], on[at + 1 :]) for at, sign in enumerate(on) if sign == "=")]
    named = [pair for pair in pairs if _kind(first, pair[0]) and _kind(second, pair[1])]
    if not named:
        missing = next(
            (each.source for each, name in zip((first, second), pairs[-1], strict=True) if not _kind(each, name)), ""
        )
        raise UsageError(f"--on {on}: {missing} has no such field with strings or integers", hint=_HINT)
    (left, right), *_ = named
    repeats: dict[str, Repeat] = {}
    sides: Sides = ((first, left, right, False), (second, right, left, True))
    for (identified, name, refers, swapped), identity in zip(sides, identities, strict=True):
        if find(identified.fields, name) is None or identity not in ((), (name,)):
            continue
        # What the user says identifies a record does so.
        repeat = None if identity else repeat_of((name,), identified.samples)
        if repeat is None:
            return JoinKey(name, refers, swapped)
        repeats[identified.source] = repeat
    if not repeats:
        raise UsageError(f"--on {on}: {_why_not_identified(sides, identities)}", hint=_IDENTIFIED)
    where = "; ".join(f"{source} has {each.first} and {each.second}" for source, each in repeats.items())
    raise UsageError(
        f"--on {on}: different records of each stream have the same value, or lack it: {where}",
        hint=_IDENTIFIED,
    )


def _why_not_identified(sides: Sides, identities: Identities) -> str:
    """Returns why a key that the user names identifies the records of neither stream."""
    reasons = []
    for (identified, name, *_), identity in zip(sides, identities, strict=True):
        if find(identified.fields, name) is None:
            reasons.append(f"{name} is optional in {identified.source}")
        else:
            reasons.append(f"the records of {identified.source} are identified by {', '.join(identity)}, as chosen")
    return "; ".join(reasons)


def _kind(described: Described, path: str) -> Kind | None:
    """Returns the type of a field that may be a key."""
    found = find(described.fields, path, may_be_absent=True)
    return found[1] if found and isinstance(found[1], String | Integer) else None


def _shared(
    identified: Described, other: Described, identity: tuple[str, ...], *, swapped: bool
) -> Iterator[tuple[int, JoinKey]]:
    """Yields how good each key is whose field identifies a record of one stream."""
    record, values = singular(identified.name), SampleValues()
    others = [(KeyField(other, path), kind) for path, kind in _keys(other.fields)]
    for each in candidates(identified.fields, record):
        if isinstance(each.kind, Decimal) or (identity and identity != (each.path,)):
            continue
        if not identity and repeat_of((each.path,), identified.samples):
            continue
        field = KeyField(identified, each.path)
        for refers, kind in others:
            differs = type(kind) is not type(each.kind)
            name = closeness(field, refers, record, values)
            if not each.score and not identity:
                name = 20 if has_same_values(field, refers, values) and isinstance(kind, String) else 0
            if name:
                score = name + each.score + 40 * values.overlap(field, refers) - 50 * differs - swapped
                yield score, JoinKey(each.path, refers.path, swapped)


def _with_same_values(first: Described, second: Described) -> Iterator[tuple[str, str]]:
    """Yields pairs of fields whose values show that one refers to the other."""
    values = SampleValues()
    for one, _ in _keys(first.fields):
        for other, _ in _keys(second.fields):
            sides = (KeyField(first, one), KeyField(second, other))
            if any(
                values.include(identity, refers) and repeat_of((identity.path,), identity.described.samples) is None
                for identity, refers in (sides, sides[::-1])
            ):
                yield one, other


def _keys(fields: Mapping[str, Kind]) -> Iterator[tuple[str, Kind]]:
    """Yields the fields that may refer to the other stream, also nested ones."""
    for name, kind in fields.items():
        if isinstance(kind, String | Integer):
            yield name, kind
        elif inner := getattr(kind, "fields", None):
            yield from ((f"{name}.{rest}", each) for rest, each in _keys(inner))
