"""Compares the documents of two collections, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bson.datetime_ms import DatetimeMS
from pymongo.collection import Collection

from tandem.replay.equality import changed_fields, type_name
from tandem.verify.bounds import Bounds

_EXAMPLES = 5
_VALUE_LENGTH = 60
# The order of Python's strings: a collection may have been made with another one.
_BY_CODE_POINT = {"locale": "simple"}


# Takes the name of the old collection and an ``_id``.
OnlyOld = Callable[[str, str], None]


def _ignored(_collection: str, _identity: str) -> None:
    pass


@dataclass
class Example:
    """A document that differs.

    Attributes:
        identity: its ``_id``.
        fields: the old and the new value of each differing field, as texts; ``-`` for a missing field.
    """

    identity: str
    fields: dict[str, tuple[str, str]]


@dataclass
class Difference:
    """The differences between an old and a new collection.

    Attributes:
        collection: the old collection's name.
        old: the number of documents in the old collection.
        new: the number in the new one.
        equal: the number of equal documents.
        outside: the number of documents in only one collection that may be dated outside of the bounds.
        undated: the number of those that have no known event time.
        differing: the number of documents with different contents.
        changed: how often each field differs.
        only_old: the number of documents that only the old collection has.
        only_new: the number that only the new one has.
        examples: a few of ``differing``.
        old_examples: a few ``_id``s of ``only_old``.
        new_examples: a few of ``only_new``.
    """

    collection: str
    old: int = 0
    new: int = 0
    equal: int = 0
    outside: int = 0
    undated: int = 0
    differing: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    only_old: int = 0
    only_new: int = 0
    examples: list[Example] = field(default_factory=list)
    old_examples: list[str] = field(default_factory=list)
    new_examples: list[str] = field(default_factory=list)

    @property
    def none(self) -> bool:
        """Whether the collections agree within the bounds."""
        return not (self.differing or self.only_old or self.only_new)


def difference(
    collection: str,
    old: Iterable[dict[str, Any]],
    new: Iterable[dict[str, Any]],
    bounds: Bounds,
    only_old: OnlyOld = _ignored,
) -> Difference:
    """Returns the differences between two collections.

    Args:
        collection: the old collection's name.
        old: its documents in the order of their ``_id``s, which are strings.
        new: those of the new collection, likewise.
        bounds: a document that only one collection has is a difference only within these.
        only_old: is called for each document that only the old collection has within the bounds.
    """
    found = Difference(collection)
    for before, after in _side_by_side(old, new):
        found.old += before is not None
        found.new += after is not None
        if before is None or after is None:
            _add_single(found, before, after, bounds, only_old)
        elif names := changed_fields(before, after):
            found.differing += 1
            for name in sorted(names):
                found.changed[name] = found.changed.get(name, 0) + 1
            if len(found.examples) < _EXAMPLES:
                values = {name: _texts(before, after, name) for name in sorted(names)}
                found.examples.append(Example(before["_id"], values))
        else:
            found.equal += 1
    return found


def in_order(collection: Collection[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields a collection's documents in the order of their ``_id``s.

    A document whose ``_id`` is not a string is left out.
    """
    wanted = {"_id": {"$type": "string"}}
    yield from collection.find(wanted, sort=[("_id", 1)], collation=_BY_CODE_POINT, batch_size=5_000)


def _add_single(
    found: Difference,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    bounds: Bounds,
    only_old: OnlyOld,
) -> None:
    times = bounds.times_of(before or after or {})
    if bounds.excludes(times):
        found.outside += 1
        found.undated += not times
    elif before is not None:
        found.only_old += 1
        only_old(found.collection, before["_id"])
        _keep(found.old_examples, before["_id"])
    elif after is not None:
        found.only_new += 1
        _keep(found.new_examples, after["_id"])


def _side_by_side(
    old: Iterable[dict[str, Any]], new: Iterable[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """Yields the documents with the same ``_id`` together."""
    olds, news = iter(old), iter(new)
    before, after = next(olds, None), next(news, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before["_id"] < after["_id"]):
            yield before, None
            before = next(olds, None)
        elif before is None or after["_id"] < before["_id"]:
            yield None, after
            after = next(news, None)
        else:
            yield before, after
            before, after = next(olds, None), next(news, None)


def _keep(examples: list[str], identity: str) -> None:
    if len(examples) < _EXAMPLES:
        examples.append(identity)


def _texts(before: dict[str, Any], after: dict[str, Any], name: str) -> tuple[str, str]:
    """Returns a field's old and new value, with their types if the texts are the same."""
    old, new = _text(before, name), _text(after, name)
    if old != new or name not in before or name not in after:
        return old, new
    return f"{old} ({type_name(before[name])})", f"{new} ({type_name(after[name])})"


def _text(document: dict[str, Any], name: str) -> str:
    if name not in document:
        return "-"
    value = document[name]
    text = str(value.as_datetime() if isinstance(value, DatetimeMS) and _is_date(value) else value)
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}..."


def _is_date(value: DatetimeMS) -> bool:
    # The years 1 to 9999, which Python knows.
    return -62_135_596_800_000 <= int(value) <= 253_402_300_799_999
