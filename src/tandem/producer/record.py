"""One record to send, with the values for the ledger."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """A record for Kafka.

    Attributes:
        topic: the topic.
        key: the Kafka key, or None.
        value: the bytes, or None for a tombstone.
        id: its name in the ledger: the event's identity, or a label for a record that is no event.
        kind: its class in the ledger: valid, repeat, early, late, unmatched, malformed:<kind> or control.
        due: when to send it, in seconds since the epoch; None for as soon as the rate allows.
        partition: the partition to send it to; None leaves that to the key.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    id: str
    kind: str
    due: float | None = None
    partition: int | None = None
