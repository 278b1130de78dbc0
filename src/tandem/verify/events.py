"""Keeps the events of one stream, each with all its contents."""

from __future__ import annotations

from collections.abc import Iterator

from tandem.engine.declare.stream import Stream
from tandem.verify.reference import Fields


class Events:
    """The events of one stream.

    Args:
        stream: the stream's declaration.

    Attributes:
        accepted: the fields of each event's first record, by identity.
        versions: where events are not immutable: the differing fields of further records, by identity.
        repeated: the number of further records of an event.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.accepted: dict[str, Fields] = {}
        self.versions: dict[str, list[Fields]] = {}
        self.repeated = 0

    def add(self, identity: str, fields: Fields) -> None:
        """Adds an event's record."""
        first = self.accepted.setdefault(identity, fields)
        if first is not fields:
            self.repeated += 1
            if fields != first and fields not in (versions := self.versions.setdefault(identity, [])):
                versions.append(fields)

    def contents(self, identity: str) -> list[Fields]:
        """Returns an event's different contents; the first one is the first record's."""
        return [self.accepted[identity], *self.versions.get(identity, ())]

    @property
    def most_contents(self) -> int:
        """The largest number of different contents of one event."""
        return 1 + max(map(len, self.versions.values()), default=0)

    @property
    def conflicting(self) -> Iterator[str]:
        """The events that were sent with different contents.

        The record's own time is ignored.
        """
        ignored = {self.stream.time_column} if self.stream.event_time_path is None else set()
        for identity, versions in self.versions.items():
            first = self.accepted[identity]
            if any(version[name] != first[name] for version in versions for name in first.keys() - ignored):
                yield identity
