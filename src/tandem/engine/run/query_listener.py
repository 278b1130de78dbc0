"""Passes on the events of a streaming query."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
    StreamingQueryProgress,
)


class ProgressListener(StreamingQueryListener):
    """Passes on the events of the next query that starts, and of no other.

    Args:
        on_batch: each is called with each committed batch.
        on_idle: each is called when the query found no new records.
    """

    def __init__(
        self,
        on_batch: Sequence[Callable[[StreamingQueryProgress], None]],
        on_idle: Sequence[Callable[[QueryIdleEvent], None]],
    ) -> None:
        self._on_batch, self._on_idle = on_batch, on_idle
        self._run: uuid.UUID | None = None

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: D102
        self._run = self._run or event.runId

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: D102
        for function in self._on_batch if event.progress.runId == self._run else ():
            function(event.progress)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: D102
        for function in self._on_idle if event.runId == self._run else ():
            function(event)

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: D102
        pass
