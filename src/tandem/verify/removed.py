"""Recognises documents that may be of records which Kafka has removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tandem.verify.bounds import Bounds
from tandem.verify.coverage import Coverage
from tandem.verify.events import Events
from tandem.verify.oracle import Division, Document


class Removed:
    """Decides which documents of a collection may be of removed records.

    Args:
        collection: the collection's name.
        events: the events that were read, of each stream.
        coverage: what the records can say.
        division: the oracle's division of events; None if its documents may depend on any of them.
        depends: whether some documents may depend on removed records as well as on others.
    """

    def __init__(
        self,
        collection: str,
        events: Sequence[Events],
        coverage: Coverage,
        division: Division | None,
        *,
        depends: bool,
    ) -> None:
        self._collection, self._division, self._depends = collection, division, depends
        self._events: Mapping[str, Events] = {each.stream.name: each for each in events}
        self._bounds = Bounds(coverage.event_times.get(collection, ()), since_ms=coverage.removed_ms)

    def may_have_made(self, document: Document) -> bool:
        """Returns whether an unexpected document may be of removed records."""
        if self._bounds.since_ms is None:
            return False
        times = self._bounds.times_of(document)
        named = self._named(document)
        # The event is there, so only the document's other events may have been removed.
        if named is not None and named in times:
            times.remove(named)
            if not times:
                return False
        return self._bounds.excludes(times)

    def is_dated(self, document: Document) -> bool:
        """Returns whether a document has an event time.

        Hardly another one has the same content then.
        """
        return bool(self._bounds.times_of(document))

    def may_have_changed(self, document: Document) -> bool:
        """Returns whether an expected document may also depend on removed records.

        One that was made of single events does not: all its events are there.
        """
        if self._bounds.since_ms is None or self._division is not None or not self._depends:
            return False
        return self._bounds.excludes(self._bounds.times_of(document))

    def _named(self, document: Document) -> int | None:
        """Returns the time of the event that a document names; None if it was not read."""
        identity = document.get("_id")
        if self._division is None or type(identity) is not str:
            return None
        event = self._division.event(self._collection, identity)
        events = None if event is None else self._events.get(event[0])
        if event is None or events is None or event[1] not in events.accepted:
            return None
        time: int = events.accepted[event[1]][events.stream.time_column] // 1000
        return time
