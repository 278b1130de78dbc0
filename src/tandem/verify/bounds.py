"""The event times of stored documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson.datetime_ms import DatetimeMS

from tandem.catalog import Declaration
from tandem.engine.declare.collection import Collection
from tandem.engine.declare.field_type import DocumentType


@dataclass(frozen=True)
class Bounds:
    """The event times of documents that must be there.

    Attributes:
        fields: the documents' fields with event times.
        since_ms: the first event time, in milliseconds since 1970; None for no limit.
        until_ms: the last one; None for no limit.
    """

    fields: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None

    def times_of(self, document: Mapping[str, Any]) -> list[int]:
        """Returns a document's event times, in milliseconds since 1970."""
        return [int(document[name]) for name in self.fields if isinstance(document.get(name), DatetimeMS)]

    def excludes(self, times: list[int]) -> bool:
        """Returns whether a document with these event times may be outside.

        It may be if none is known.
        """
        if not times:
            return self.since_ms is not None or self.until_ms is not None
        return any(
            (self.since_ms is not None and each < self.since_ms) or (self.until_ms is not None and each > self.until_ms)
            for each in times
        )


def event_times(declared: Declaration, collection: Collection) -> tuple[str, ...]:
    """Returns a collection's fields that are event times of streams or of the view."""
    names = {stream.time_column for stream in declared.streams}
    if declared.view:
        names |= set(declared.view.event_times)
    return tuple(name for name, kind in collection.fields.items() if name in names and kind is DocumentType.TIMESTAMP)
