"""Computes the documents of an interval join, for the oracles of such pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from tandem.engine.declare.field_name import value_at
from tandem.producer.document_id import document_id, first_part, identity_of
from tandem.verify.oracle import Division, Document, EventId, Expectation

Fields = Mapping[str, Any]

MATCHED, UNMATCHED = "matched", "unmatched"
# The engine decides which millisecond of the watermark evicts an event, so one more or less is allowed.
_BOUNDARY_MS = 1


@dataclass(frozen=True)
class Side:
    """One stream of the join.

    Attributes:
        stream: its name.
        kind: the name of one of its events; the ``_id`` of an unmatched one is ``<kind>|<identity>``.
        event_time: the column with its event time.
        document: the fields of the document of an unmatched event; ``_id`` is added.
    """

    stream: str
    kind: str
    event_time: str
    document: Callable[[Fields], Document]

    def unmatched(self, identity: str, fields: Fields) -> Document:
        """Returns the document of an unmatched event."""
        return {"_id": f"{self.kind}|{identity}", **self.document(fields)}


@dataclass(frozen=True)
class IntervalJoin:
    """A full outer join of events whose times differ by at most a bound.

    Attributes:
        left: the stream whose identity the other stream has.
        right: the stream with the reference.
        refers: the field of ``right`` with the identity of an event of ``left``, or its path; several for an identity
            of several fields. An event that lacks one of them is unmatched.
        matches: the collection of pairs; a document's ``_id`` is the ``document_id`` of both identities.
        leftovers: the collection of unmatched events.
        document: the fields of a pair's document; ``_id`` is added.
        within: the name of the pipeline's parameter with the largest difference of event times, in seconds.
    """

    left: Side
    right: Side
    refers: str | tuple[str, ...]
    matches: str
    leftovers: str
    document: Callable[[Fields, Fields], Document]
    within: str

    def expect(
        self,
        accepted: Mapping[str, Mapping[str, Fields]],
        *,
        watermark_ms: int,
        late: Set[EventId],
        observed: Mapping[str, Set[str]],
        **parameters: Any,
    ) -> Expectation:
        """Returns exactly the documents that must be stored.

        An event that may have been late was either processed or dropped. The database shows which: it was processed if
        a pair or its unmatched document exists. Everything else must agree.

        Args:
            accepted: each stream's events by identity; timestamps in microseconds since 1970.
            watermark_ms: the watermark that the job has reached, in milliseconds since 1970.
            late: the events that may have been late.
            observed: the stored ``_id``s, by collection.
            parameters: the pipeline's parameters.
        """
        within_seconds = int(parameters[self.within])
        left, right = accepted[self.left.stream], accepted[self.right.stream]
        pairs = list(self._pairs(left, right, within_seconds * 1_000_000))
        ignored = set(late - self._processed(pairs, late, observed)) if late else set()
        documents: dict[str, dict[str, Document]] = {self.matches: {}, self.leftovers: {}}
        outcome: dict[EventId, str] = dict.fromkeys(ignored, "late")
        for pair in pairs:
            both = self._events(pair)
            if ignored.isdisjoint(both):
                identity = document_id(*pair)
                documents[self.matches][identity] = {"_id": identity, **self.document(left[pair[0]], right[pair[1]])}
                outcome.update(dict.fromkeys(both, MATCHED))
        ignored_alone = ignored - {event for pair in pairs for event in self._events(pair)}
        for side in (self.left, self.right):
            for identity, fields in accepted[side.stream].items():
                event = (side.stream, identity)
                passed_ms = watermark_ms - fields[side.event_time] // 1000 - within_seconds * 1000
                if event in outcome:
                    # Whether it was processed or dropped does not show yet: a waiting event leaves no trace.
                    if event in ignored_alone and passed_ms <= _BOUNDARY_MS:
                        outcome[event] = "waiting"
                    continue
                alone = side.unmatched(identity, fields)
                there = alone["_id"] in observed[self.leftovers]
                if passed_ms > _BOUNDARY_MS or (passed_ms >= -_BOUNDARY_MS and there):
                    documents[self.leftovers][alone["_id"]] = alone
                    outcome[event] = UNMATCHED
                else:
                    outcome[event] = "waiting"
        return Expectation(documents, outcome)

    def division(self) -> Division | None:
        """Returns how its events can be divided.

        An event of ``left`` and those that refer to it belong together. None if an ``_id`` does not tell which event it
        names.
        """
        kinds = {self.left.kind: self.left.stream, self.right.kind: self.right.stream}
        if self.left.stream == self.right.stream or self.matches == self.leftovers or len(kinds) < 2:
            return None
        if any("|" in kind for kind in kinds):
            return None

        def key(stream: str, identity: str, fields: Fields) -> str:
            referred = identity if stream == self.left.stream else self._referred(fields)
            return identity if referred is None else referred

        def event(collection: str, document: str) -> EventId | None:
            if collection == self.matches:
                first = first_part(document)
                return None if first is None else (self.left.stream, first)
            kind, _, identity = document.partition("|")
            return (kinds[kind], identity) if collection == self.leftovers and kind in kinds else None

        return Division(key, event)

    def _pairs(
        self, left: Mapping[str, Fields], right: Mapping[str, Fields], window_us: int
    ) -> Iterator[tuple[str, str]]:
        for identity, fields in right.items():
            referred = self._referred(fields)
            if referred is None:
                continue
            partner = left.get(referred)
            if partner is not None and abs(fields[self.right.event_time] - partner[self.left.event_time]) <= window_us:
                yield referred, identity

    def _referred(self, fields: Fields) -> str | None:
        """Returns the identity that an event of ``right`` refers to."""
        paths = (self.refers,) if isinstance(self.refers, str) else self.refers
        parts = [value_at(fields, path) for path in paths]
        return None if None in parts else identity_of(parts)

    def _events(self, pair: tuple[str, str]) -> tuple[EventId, EventId]:
        return (self.left.stream, pair[0]), (self.right.stream, pair[1])

    def _processed(
        self, pairs: list[tuple[str, str]], events: Set[EventId], observed: Mapping[str, Set[str]]
    ) -> set[EventId]:
        kinds = {side.stream: side.kind for side in (self.left, self.right)}
        found = {event for event in events if f"{kinds[event[0]]}|{event[1]}" in observed[self.leftovers]}
        for pair in pairs:
            if document_id(*pair) in observed[self.matches]:
                found.update(self._events(pair))
        return found
