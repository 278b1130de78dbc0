"""Finds the events whose documents the records that were read do not decide."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.engine.declare.replay_range import NEVER_MS
from tandem.verify.events import Events
from tandem.verify.oracle import EventId, Observed
from tandem.verify.oracle_call import OracleCall

_WAITING = "waiting"


def undecided(call: OracleCall, events: Sequence[Events], observed: Observed) -> frozenset[EventId]:
    """Returns the events whose documents may depend on events that were not read.

    They are dated before ``Coverage.decided_ms``. Such an event is decided if it waits for no other one although no
    watermark has passed it. For example, a pair needs no watermark, and an unmatched event does.

    Args:
        call: what the oracle needs to know.
        events: the events of each stream.
        observed: the stored documents.
    """
    since_ms = call.coverage.decided_ms
    if since_ms is None:
        return frozenset()
    early = {
        (each.stream.name, identity)
        for each in events
        for identity, fields in each.accepted.items()
        if fields[each.stream.time_column] < since_ms * 1000
    }
    if not early:
        return frozenset()
    accepted = {each.stream.name: each.accepted for each in events}
    found = call.expect(accepted, watermark_ms=-NEVER_MS, late=frozenset(), observed=observed, **call.parameters)
    return frozenset(event for event in early if found.outcome[event] == _WAITING)
