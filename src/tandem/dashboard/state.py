"""The pipeline's current state, written by the watchers."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from tandem.dashboard.series import Seconds

_NEWEST = 12
_BATCHES = 120


@dataclass
class Link:
    """The availability of a service.

    Attributes:
        up: None before the first answer or failure.
        since: the time of the last change, in seconds since 1970.
        detail: its version, or the class of the error.
    """

    up: bool | None = None
    since: float = field(default_factory=time.time)
    detail: str = ""

    def now(self, up: bool, detail: str = "") -> bool:
        """Records an answer or a failure; returns whether that is a change."""
        news = up is not self.up
        if news:
            self.up, self.since = up, time.time()
        self.detail = detail or self.detail
        return news


@dataclass(frozen=True)
class Batch:
    """One committed batch, as the job reported it."""

    number: int
    at: float
    rows: int
    phases: dict[str, int]
    state_events: int
    state_bytes: int


@dataclass(frozen=True)
class Account:
    """The outcome of each stream's records.

    A number that cannot be determined is None.

    Attributes:
        at: the time of the count, in seconds since 1970.
        results: the number of result documents.
        leftovers: the number of documents of unmatched events.
        late: records that the job dropped as late.
        streams: by stream, ``consumed``, ``matched`` and ``unmatched`` (whatever the view calls them), ``dead``,
            ``control`` and the ``rest``.
        waiting: whether some of the rest may still wait for a match; otherwise all of it is duplicates.
        sound: whether the numbers add up: documents are written a moment before their records are committed.
    """

    at: float
    results: int
    leftovers: int
    late: int
    streams: dict[str, dict[str, int | None]]
    waiting: bool
    sound: bool


class PipelineState:
    """The whole state. Hold ``lock`` to read more than one value, or to write."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        # Nothing is known about the time before.
        self.began = int(time.time())
        self.version = 0
        self.mongo, self.kafka = Link(), Link()
        # The name and the URL of each other program's page that answers.
        self.other_pages: list[dict[str, str]] = []
        # The job's newest report, and its arrival by this machine's clock: clocks of two machines differ.
        self.progress: dict[str, Any] | None = None
        self.heard_at = 0.0
        # The drivers that have reported since the dashboard began to watch.
        self.starts = 0
        self.batches: deque[Batch] = deque(maxlen=_BATCHES)
        # Since when records are committed but the watermark does not advance; None if it advances or none arrive.
        self.still_since: float | None = None
        # When the last batch with records was reported.
        self.records_at: float | None = None
        self.seconds = Seconds()
        self.sampled_at = 0.0
        self.newest: deque[dict[str, Any]] = deque(maxlen=_NEWEST)
        self.changes = 0
        self.account: Account | None = None
        # By topic: the offsets behind the last records, and records a second.
        self.ends: dict[str, dict[int, int]] = {}
        self.rates: dict[str, float] = {}
        self.dead: Counter[tuple[str, str]] = Counter()

    def touch(self) -> None:
        """Marks the state as changed."""
        self.version += 1


def committed(progress: dict[str, Any] | None, topic: str) -> dict[int, int]:
    """Returns the offsets up to which the job has read a topic, by partition."""
    offsets = ((progress or {}).get("committed") or {}).get(topic) or {}
    return {int(partition): int(offset) for partition, offset in offsets.items()}


def lag(state: PipelineState, topic: str) -> int | None:
    """Returns the number of a topic's records that are not committed; None if unknown."""
    ends = state.ends.get(topic)
    if ends is None or not state.kafka.up:
        return None
    done = committed(state.progress, topic)
    return sum(max(0, end - done.get(partition, 0)) for partition, end in ends.items())
