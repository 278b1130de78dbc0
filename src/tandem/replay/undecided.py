"""Finds the events whose documents a replayed range does not decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from tandem.engine.declare.replay_range import NEVER_MS
from tandem.verify.compare import Documents
from tandem.verify.intake import Intake
from tandem.verify.oracle import Document, EventId, Observed, Oracle

_WAITING = "waiting"


def undecided(
    events: frozenset[EventId],
    intakes: Iterable[Intake],
    documents: Documents,
    *,
    oracle: Oracle,
    collections: Iterable[str],
    parameters: Mapping[str, Any],
) -> frozenset[EventId]:
    """Returns those events whose documents depend on events that were not read.

    An event waits for others if no watermark has passed it, and else it is decided. For example, a pair needs no
    watermark, and an unmatched event does.

    Args:
        events: the events that may have partners outside of the range.
        intakes: the records read of each stream.
        documents: the replayed documents.
        oracle: the pipeline's oracle.
        collections: the names of the collections that the pipeline writes.
        parameters: the pipeline's parameters.
    """
    if not events:
        return events
    accepted = {intake.stream.name: intake.accepted for intake in intakes}
    observed = _Observed(documents, collections)
    expected = oracle.expect(accepted, watermark_ms=-NEVER_MS, late=frozenset(), observed=observed, **parameters)
    return frozenset(event for event in events if expected.outcome[event] == _WAITING)


class _Observed(Observed):
    """The stored documents; their ``_id``s are read when they are needed."""

    def __init__(self, documents: Documents, collections: Iterable[str]) -> None:
        self._documents, self._collections = documents, frozenset(collections)
        self._ids: dict[str, Set[str]] = {}

    def __getitem__(self, collection: str) -> Set[str]:
        if collection not in self._collections:
            raise KeyError(collection)
        if collection not in self._ids:
            self._ids[collection] = self._documents.ids(collection)
        return self._ids[collection]

    def __iter__(self) -> Iterator[str]:
        return iter(self._collections)

    def __len__(self) -> int:
        return len(self._collections)

    def documents(self, collection: str) -> Iterable[Document]:
        return self._documents.read(collection)
