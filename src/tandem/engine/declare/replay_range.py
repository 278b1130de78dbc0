"""The records that a replay reads, as one frozen value, without Spark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

# Later than every event, so no event has all possible partners among the records.
NEVER_MS = 2**53
# The first offset and the offset behind the last record, by partition.
Span = Mapping[str, tuple[int, int]]


def record_id(pipeline: str, suffix: str) -> str:
    """Returns the ``_id`` of the record about a pipeline's newest replay into a set."""
    return f"{pipeline}/{suffix}"


def record_of(
    pipeline: str, span: ReplayRange, state: str, *, watermark_ms: int = 0, progress: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Returns the record about a replay, without its time ``at``.

    Args:
        pipeline: the pipeline's name.
        span: the range.
        state: ``running``, ``done`` or ``failed``.
        watermark_ms: the watermark of the range's records, in milliseconds since 1970; 0 if it is not known yet.
        progress: the replay's step, if that is known.
    """
    return {
        "_id": record_id(pipeline, span.into),
        "pipeline": pipeline,
        "into": span.into,
        # As text, because its keys are names of topics, which may have dots.
        "range": span.to_json(),
        "watermark_ms": watermark_ms,
        "state": state,
        "progress": progress,
    }


@dataclass(frozen=True)
class ReplayRange:
    """The records of a replay, and where their documents go.

    Attributes:
        offsets: the records to read, by topic.
        since_ms: the begin of the range by Kafka's timestamps, in milliseconds since 1970. The records before it are
            read only to complete the documents of the range.
        complete_ms: the records hold all events with this event time or a later one; None if they hold all events.
            ``NEVER_MS`` if nothing is known about removed records.
        within_ms: how far the event times of partners may differ.
        cut: whether the topics had more records when the range was made.
        into: the suffix of the collections to write; empty for the pipeline's own ones.
        watermark_ms: the watermark of the job that writes the same collections, at its last commit in the range. It may
            still accept events with a later event time. None if no job writes them.
        settings: fields of ``JobConfig`` that may differ from those of the job; for collections that no job writes.
    """

    offsets: Mapping[str, Span]
    since_ms: int
    complete_ms: int | None = None
    within_ms: int = 0
    cut: bool = False
    into: str = ""
    watermark_ms: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

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

    @property
    def decided_ms(self) -> int | None:
        """The event time from which the records hold all partners of the range's events.

        In milliseconds since 1970; None if they hold those of all events.
        """
        return None if self.complete_ms is None else max(self.since_ms, self.complete_ms + self.within_ms)

    def ends(self, topic: str) -> dict[str, int]:
        """Returns the offset behind the last record to read, by partition."""
        return {partition: behind for partition, (_, behind) in self.offsets[topic].items()}

    def starts(self, topic: str) -> dict[str, int]:
        """Returns the first offset to read, by partition."""
        return {partition: first for partition, (first, _) in self.offsets[topic].items()}
