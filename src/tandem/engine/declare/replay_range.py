"""The records that a replay reads, as one frozen value, without Spark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

# The first offset and the offset behind the last record, by partition.
Span = Mapping[str, tuple[int, int]]


def record_id(pipeline: str, suffix: str) -> str:
    """Returns the ``_id`` of the record about a pipeline's newest replay into a set."""
    return f"{pipeline}/{suffix}"


@dataclass(frozen=True)
class ReplayRange:
    """The records of a replay, and where their documents go.

    Attributes:
        offsets: the records to read, by topic.
        since_ms: the begin of the range by Kafka's timestamps, in milliseconds since 1970. The records before it are
            read only to complete the documents of the range.
        complete_ms: the records hold all events with this event time or a later one; None if they hold all events.
        cut: whether the topics had more records when the range was made.
        into: the suffix of the collections to write; empty for the pipeline's own ones.
    """

    offsets: Mapping[str, Span]
    since_ms: int
    complete_ms: int | None = None
    cut: bool = False
    into: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the range in a JSON text."""
        values = json.loads(text)
        offsets = {
            topic: {partition: (first, behind) for partition, (first, behind) in span.items()}
            for topic, span in values.pop("offsets").items()
        }
        return cls(offsets=offsets, **values)

    def to_json(self) -> str:
        """Returns the text that ``parse`` reads, in one line."""
        return json.dumps(asdict(self), sort_keys=True)

    def ends(self, topic: str) -> dict[str, int]:
        """Returns the offset behind the last record to read, by partition."""
        return {partition: behind for partition, (_, behind) in self.offsets[topic].items()}

    def starts(self, topic: str) -> dict[str, int]:
        """Returns the first offset to read, by partition."""
        return {partition: first for partition, (first, _) in self.offsets[topic].items()}
