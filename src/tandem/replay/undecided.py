"""Finds the events whose documents a replayed range does not decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tandem.engine.declare.replay_range import NEVER_MS
from tandem.verify.expected import Documents, ObservedDocuments
from tandem.verify.intake import Intake
from tandem.verify.oracle import EventId, Oracle

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
    observed = ObservedDocuments(documents, collections)
    expected = oracle.expect(accepted, watermark_ms=-NEVER_MS, late=frozenset(), observed=observed, **parameters)
    return frozenset(event for event in events if expected.outcome[event] == _WAITING)
