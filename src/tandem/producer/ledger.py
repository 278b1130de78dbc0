"""A record to send, and the ledger: one JSON line per send, with its outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from tandem.errors import UsageError


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


class Outcome(StrEnum):
    """The outcome of a send."""

    ACKED = "acked"  # Kafka confirmed it
    FAILED = "failed"  # it is certainly not in Kafka
    UNKNOWN = "unknown"  # it may be in Kafka: the answer was lost, or did not arrive before the stop


@dataclass(frozen=True)
class Entry:
    """One line of a ledger.

    Attributes:
        id: the event's identity, or a label for a record that is no event.
        topic: the topic.
        partition: its partition; None unless acked.
        offset: its offset; None unless acked.
        hash: the SHA-256 of the value in hex; None for a tombstone.
        kind: the class, written as ``class``.
        outcome: the outcome of the send.
    """

    id: str
    topic: str
    partition: int | None
    offset: int | None
    hash: str | None
    kind: str
    outcome: Outcome


class Ledger:
    """Appends to a ledger file.

    Lines are buffered and are on disk after ``close``. Not thread-safe.

    Args:
        path: the file; None keeps no ledger.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        try:
            self._file = None if path is None else path.open("a", encoding="utf-8", buffering=1 << 20)
        except OSError as error:
            raise UsageError(
                f"the ledger {path} cannot be written: {error.strerror}", hint="choose another file with --ledger"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, record: Record, outcome: Outcome, partition: int | None = None, offset: int | None = None) -> None:
        """Appends one line."""
        if self._file is None:
            return
        digest = None if record.value is None else hashlib.sha256(record.value).hexdigest()
        line = {
            "id": record.id,
            "topic": record.topic,
            "partition": partition,
            "offset": offset,
            "hash": digest,
            "class": record.kind,
            "outcome": outcome,
        }
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Writes what is buffered and closes the file."""
        if self._file is not None:
            self._file.close()


def read_ledger(path: Path) -> Iterator[Entry]:
    """Yields the entries of a ledger file in the order of their outcomes."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            fields = json.loads(line)
            kind, outcome = fields.pop("class"), Outcome(fields.pop("outcome"))
            yield Entry(**fields, kind=kind, outcome=outcome)
