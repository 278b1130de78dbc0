"""Writes one batch of the transform's rows to everything that the pipeline declares."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.listener import StreamingQueryProgress

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output, Pipeline
from tandem.engine.spark.checkpoint import Planned, is_committed, planned
from tandem.engine.spark.failure import AnotherDriverError
from tandem.engine.write.batch_rows import BatchRows
from tandem.engine.write.compilation import Compilation
from tandem.engine.write.dead_letters import DeadLetters
from tandem.engine.write.large_batches import LargeBatches
from tandem.engine.write.side_by_side import side_by_side
from tandem.engine.write.small_batches import SmallBatches, is_small
from tandem.engine.write.superseded import Superseded

_log = logging.getLogger(__name__)


class StopRequested(Exception):
    """The job was asked to stop before this batch wrote anything."""


class BatchWriter:
    """Writes batches, one after another.

    All that it writes can be written again without effect: documents by their ``_id``, dead letters because the first
    batch of a run, the only one that may be a replay, looks for those that are there. So all of it is written at once,
    in any order; dead letters as soon as it is certain that no other driver has done it.

    A small batch is computed by one Spark job and written by the driver, because planning and scheduling more jobs
    costs more than the writes. A large batch is cached and written by Spark's tasks. So is the first batch of a run:
    should a batch have been too large for the driver, the restart writes it by tasks.

    Args:
        spark: the session.
        pipeline: what to write where.
        config: where Kafka and MongoDB are.
        stopping: once set, a batch that has not begun raises ``StopRequested`` instead of being written.
    """

    def __init__(self, spark: SparkSession, pipeline: Pipeline, config: JobConfig, stopping: threading.Event) -> None:
        self._spark, self._config, self._outputs, self._stopping = spark, config, pipeline.outputs, stopping
        self._letters = DeadLetters(spark, pipeline, config)
        self._compilation = Compilation(spark)
        self._superseded = Superseded(spark, config)
        # Kept from batch to batch: a thread that ends leaves its connection to Java behind.
        self._pool = ThreadPoolExecutor(len(pipeline.outputs) + 2, "write")
        self._provisional = [output.collection_name for output in pipeline.outputs if output.superseded_by]
        self._aggregates = any(output.window for output in pipeline.outputs)
        self._passed: str | None = None
        self._before: Planned | None = None
        self._large = LargeBatches(pipeline.outputs, self._letters, config, self._pool)
        self._small: SmallBatches | None = None

    def write(self, batch: DataFrame, batch_id: int) -> None:
        """Is the function for ``foreachBatch``."""
        if self._stopping.is_set():
            raise StopRequested
        now = planned(self._spark, self._config, batch_id)
        rows = self._rows_of(batch, now)
        try:
            self._write(rows, batch, batch_id, None if self._before else now.at_ms)
        finally:
            rows.clear()
        self._before = now

    def committed(self, progress: StreamingQueryProgress) -> None:
        """Takes note of a committed batch: what its watermark has passed, no batch writes any more."""
        watermark = progress.eventTime.get("watermark")
        if self._provisional and watermark and watermark != self._passed:
            try:
                self._superseded.forget(self._provisional, datetime.fromisoformat(watermark))
                self._passed = watermark
            except Exception as error:  # MongoDB is away; the next batch forgets the same
                _log.warning("notes not removed: %s", type(error).__name__)

    def close(self) -> None:
        """Ends the threads, once the query has ended."""
        self._pool.shutdown(wait=False)

    def _rows_of(self, batch: DataFrame, now: Planned) -> BatchRows:
        """Returns what computes and writes the batch."""
        seconds = self._config.trigger_seconds
        if self._before is None or not is_small(self._before, now, seconds, aggregates=self._aggregates):
            return self._large
        if self._small is None:
            self._small = SmallBatches(batch, self._outputs, self._letters, self._config)
        return self._small if self._small.are_possible else self._large

    def _write(self, rows: BatchRows, batch: DataFrame, batch_id: int, planned_ms: int | None) -> None:
        found = rows.compute(batch)
        self._compilation.note(batch, found.events)
        tasks: list[Callable[[], None]] = []
        if found.dead:
            tasks.append(partial(self._append_letters, rows, batch_id, planned_ms))
        if found.events:
            tasks += [partial(self._write_documents, rows, output) for output in self._outputs]
        side_by_side(self._pool, batch.sparkSession, tasks)

    def _write_documents(self, rows: BatchRows, output: Output) -> None:
        rows.write_documents(output)
        if output.superseded_by is not None and self._superseded.has_notes(output.collection_name):
            self._superseded.remove(output.collection_name, rows.documents(output))

    def _append_letters(self, rows: BatchRows, batch_id: int, planned_ms: int | None) -> None:
        # Any driver may write documents again; dead letters would be doubled.
        if is_committed(self._spark, self._config, batch_id):
            raise AnotherDriverError
        rows.append_letters(planned_ms=planned_ms)
