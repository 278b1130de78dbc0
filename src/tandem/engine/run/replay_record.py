"""Stores the range and the progress of a replay in MongoDB."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.replay_range import ReplayRange, record_of
from tandem.engine.declare.stream import REPLAY_COLLECTION
from tandem.engine.run.repeated_call import RepeatedCall
from tandem.engine.spark.mongo_client import MongoCollection

_REPORT_S = 2.0
_log = logging.getLogger(__name__)


class ReplayRecord:
    """The record of a running replay, for a ``with`` statement.

    It is stored before the first document, so that the set's collections are known as those of a replay. Its ``state``
    is ``running``, ``done`` or ``failed``. That of a killed replay stays ``running``.

    Args:
        spark: the session.
        config: MongoDB's address, and the pipeline's name.
        span: the range.
    """

    def __init__(self, spark: SparkSession, config: JobConfig, span: ReplayRange) -> None:
        self._tracker = spark.sparkContext.statusTracker()
        self._collection = MongoCollection(spark, config, REPLAY_COLLECTION)
        self._pipeline, self._span = config.pipeline, span
        self._step, self._watermark_ms = "", 0
        self._reports = RepeatedCall("replay", _REPORT_S, self._report)

    def __enter__(self) -> Self:
        self._put("running")
        self._reports.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A later report would say that it still runs.
        self._reports.stop(deadline_s=None)
        if kind is None:
            self._put("done")
            return
        with suppress(Exception):  # the error that ended the replay explains more
            self._put("failed")

    def read(self, watermark_ms: int) -> None:
        """Notes the watermark of the range's records, in milliseconds since 1970."""
        self._watermark_ms = watermark_ms

    def step(self, name: str) -> None:
        """Names the work that begins now."""
        self._step = name

    def _report(self) -> None:
        try:
            self._put("running", self._progress())
        except Exception as error:  # progress must not stop the replay
            _log.warning("progress not reported: %s", type(error).__name__)

    def _progress(self) -> dict[str, Any]:
        """Returns the step, and how many tasks of the newest stage are done."""
        stages = [info for each in self._tracker.getActiveStageIds() if (info := self._tracker.getStageInfo(each))]
        newest = max(stages, key=lambda info: info.stageId, default=None)
        done, total = (newest.numCompletedTasks, newest.numTasks) if newest else (0, 0)
        return {"step": self._step, "done": done, "total": total}

    def _put(self, state: str, progress: dict[str, Any] | None = None) -> None:
        record = record_of(self._pipeline, self._span, state, watermark_ms=self._watermark_ms, progress=progress)
        self._collection.put({**record, "at": {"$date": datetime.now(UTC).isoformat(timespec="milliseconds")}})
