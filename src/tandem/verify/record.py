"""A record of a topic, independent of the client that read it."""

from __future__ import annotations

from typing import NamedTuple

# Offset by partition.
Offsets = dict[int, int]


class Record(NamedTuple):
    """One record of a topic; the timestamp in milliseconds since 1970.

    ``by_broker`` says whether that is when the record arrived; else a producer's clock told it.
    """

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    by_broker: bool = True
