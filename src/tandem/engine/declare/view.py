"""Declares what a reader is shown of a pipeline: pure data, so that the dashboard names no field itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from tandem.engine.declare.collection import Collection, check_fields
from tandem.engine.declare.field_type import DocumentType

_TIMES = (DocumentType.TIMESTAMP, DocumentType.DATE)


class Shown(StrEnum):
    """How a field is written."""

    TEXT = "text"
    TIME = "time"
    MONEY = "money"


@dataclass(frozen=True)
class Column:
    """One column of the table of newest documents.

    Attributes:
        field: the document's.
        title: the column's head.
        shown: how the value is written; a declared time is written as one in any case.
    """

    field: str
    title: str
    shown: Shown = Shown.TEXT


@dataclass(frozen=True)
class Tally:
    """How a stream's events are counted in what the pipeline writes.

    Attributes:
        matched: the field of the result documents that names the event.
        many: whether an event may be in several of them.
        leftover: the fields and values by which its documents among the leftovers are known.
        summed: of aggregates: ``matched`` is the field that says how many events a document is made of.
    """

    matched: str
    many: bool = False
    leftover: Mapping[str, str] = field(default_factory=dict)
    summed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "leftover", MappingProxyType(dict(self.leftover)))


@dataclass(frozen=True)
class View:
    """Tells what a pipeline's documents mean to a reader.

    Attributes:
        title: the pipeline's name for people.
        results: the collection of what the pipeline makes.
        noun: what one such document is called, in the plural.
        columns: what is shown of the newest ones; the first is the key that the page searches for.
        event_times: the fields with the event times that a result is made of.
        key: the field that the events of all streams share, and unless they are aggregates the results and leftovers.
        key_title: its name for people.
        money: the field that is summed up over time; None where there is none.
        leftovers: the collection of what came to nothing; None where there is none.
        tallies: by stream; a stream without one is not split into the outcomes.
        outcomes: what becomes of an event: what those in results are called, and those in leftovers, if there are any.
        aggregates: whether a result is made of many events, and does not hold their key.

    Raises:
        ValueError: it names a field that the results or leftovers do not have.
    """

    title: str
    results: Collection
    noun: str
    columns: tuple[Column, ...]
    event_times: tuple[str, ...]
    key: str
    key_title: str
    money: str | None = None
    leftovers: Collection | None = None
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    outcomes: tuple[str, ...] = ("matched", "unmatched")
    aggregates: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "tallies", MappingProxyType(dict(self.tallies)))
        times = {name for name, kind in self.results.fields.items() if kind in _TIMES}
        shown = (replace(each, shown=Shown.TIME) if each.field in times else each for each in self.columns)
        object.__setattr__(self, "columns", tuple(shown))
        for column in self.columns:
            check_fields(self.results, f"the column {column.title!r} of the view", (column.field,))
        check_fields(self.results, "event_times of the view", self.event_times)
        check_fields(self.results, "money of the view", (self.money,) if self.money else ())
        for collection in filter(None, (None if self.aggregates else self.results, self.leftovers)):
            check_fields(collection, "key of the view", (self.key,))
        for stream, tally in self.tallies.items():
            check_fields(self.results, f"the tally of {stream}", (tally.matched,))
            if self.leftovers:
                check_fields(self.leftovers, f"the tally of {stream}", tally.leftover)
