"""Passes on the events of a streaming query."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pyspark import SparkContext
from pyspark.sql.streaming.listener import (
    JStreamingQueryListener,
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
    StreamingQueryProgress,
)

# Spark leaves out a rate if it divided by a time of zero. PySpark expects each source to have both.
_RATES = dict.fromkeys(("inputRowsPerSecond", "processedRowsPerSecond"), 0.0)
# PySpark 4.0 and 4.1 would make these texts by `str`, which is no JSON.
_OFFSETS = ("startOffset", "endOffset", "latestOffset")
_log = logging.getLogger(__name__)


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

    @cached_property
    def _jlistener(self) -> Any:
        """The Java object that ``addListener`` and ``removeListener`` use."""
        jvm: Any = SparkContext._jvm
        return jvm.org.apache.spark.sql.streaming.PythonStreamingQueryListenerWrapper(JavaListener(self))

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: D102
        self._run = self._run or event.runId

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: D102
        for function in self._on_batch if event.progress.runId == self._run else ():
            try:
                function(event.progress)
            except Exception:  # the others must not miss the batch
                _log.exception("batch %d was not noted", event.progress.batchId)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: D102
        for function in self._on_idle if event.runId == self._run else ():
            function(event)

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: D102
        pass


class JavaListener(JStreamingQueryListener):
    """Receives Java's events and passes them to a listener.

    PySpark asks Java for each value of a batch's report: some two hundred calls, while the next batch is written. This
    class makes one call, for the whole report.
    """

    def onQueryProgress(self, jevent: Any) -> None:  # noqa: D102
        report = json.loads(jevent.progress().json())
        report["sources"] = [_RATES | source | _as_texts(source) for source in report["sources"]]
        self.pylistener.onQueryProgress(QueryProgressEvent(StreamingQueryProgress.fromJson(report)))


def _as_texts(source: Mapping[str, Any]) -> dict[str, str]:
    offsets = {name: source[name] for name in _OFFSETS if name in source}
    return {name: each if isinstance(each, str) else json.dumps(each) for name, each in offsets.items()}
