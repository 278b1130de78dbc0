"""Declares what the dashboard shows of a pipeline.

The dashboard itself names no field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from tandem.engine.declare.collection import Collection, check_fields
from tandem.engine.declare.field_type import DocumentType

_TIMES = (DocumentType.TIMESTAMP, DocumentType.DATE)


class Shown(StrEnum):
    """The form in which a field is shown."""

    TEXT = "text"
    TIME = "time"
    MONEY = "money"


@dataclass(frozen=True)
class Column:
    """One column of the table of newest documents.

    Attributes:
        field: the document's field.
        title: the column's title.
        shown: the form of the value; a declared time is always shown as a time.
    """

    field: str
    title: str
    shown: Shown = Shown.TEXT


@dataclass(frozen=True)
class Tally:
    """Declares how to count a stream's events in the pipeline's documents.

    Attributes:
        matched: the field of the result documents with the event's identity.
        many: whether several result documents may belong to one event.
        leftover: the fields and values that select the stream's documents among the leftovers.
        summed: for aggregates: ``matched`` is the field with the number of events of a document.
    """

    matched: str
    many: bool = False
    leftover: Mapping[str, str] = field(default_factory=dict)
    summed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "leftover", MappingProxyType(dict(self.leftover)))


@dataclass(frozen=True)
class View:
    """Declares what the dashboard shows of a pipeline's documents.

    Attributes:
        title: the pipeline's title.
        results: the collection of the pipeline's results.
        noun: the plural name of the results, such as ``facts``.
        columns: the columns of the newest results; the first one has the key that the page searches for.
        event_times: the results' fields with the event times of their events.
        key: the field that the events of all streams share. Results that are no aggregates, and leftovers, have it too.
        key_title: the title of the key.
        money: the field that is summed up over time; None if there is none.
        leftovers: the collection of unmatched events; None if there is none.
        tallies: how to count each stream's events; a stream without a tally is not split into the outcomes.
        outcomes: the names of an event's outcomes: in the results, and in the leftovers if there are any.
        aggregates: whether a result belongs to many events and does not hold their key.

    Raises:
        ValueError: the view names a field that the results or leftovers do not have.
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
