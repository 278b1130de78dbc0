"""One record to send, with what the ledger must know about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it goes to Kafka.

    Attributes:
        topic: where it goes.
        key: the Kafka key, or None.
        value: the bytes, or None for a tombstone.
        id: what the ledger calls it: the event's identity, or a label for a record that is no event.
        kind: its class in the ledger: valid, repeat, early, late, unmatched, malformed:<kind> or control.
        due: when to send it, in seconds since the epoch; None for as soon as the pace allows.
        partition: the partition to send it to; None leaves that to the key.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    id: str
    kind: str
    due: float | None = None
    partition: int | None = None
