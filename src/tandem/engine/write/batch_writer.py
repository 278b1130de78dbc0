"""Writes a batch: documents to MongoDB, dead letters to Kafka."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.listener import StreamingQueryProgress

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output, Pipeline
from tandem.engine.spark.checkpoint import Planned, is_committed, planned
from tandem.engine.spark.failure import AnotherDriverError
from tandem.engine.spark.job_log import Notice, values
from tandem.engine.write.batch_rows import BatchRows
from tandem.engine.write.batch_steps import COMPUTE, DOCUMENTS, LETTERS, BatchSteps
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

    Writing a batch twice has no effect. Documents are replaced by their ``_id``. Only the first batch of a run may be a
    replay, and it skips dead letters that the topic already has. So documents and dead letters are written in parallel
    and in any order, once it is certain that no other driver has committed the batch.

    One Spark job computes a small batch and the driver writes it, because planning and scheduling more jobs costs more
    than the writes. Spark's tasks cache and write a large batch. They also write the first batch of a run: if a batch
    was too large for the driver, the restart succeeds.

    Args:
        spark: the session.
        pipeline: the declared outputs and dead-letter topic.
        config: the addresses of Kafka and MongoDB.
        stopping: once set, a batch that has not begun raises ``StopRequested`` instead of being written.
    """

    def __init__(self, spark: SparkSession, pipeline: Pipeline, config: JobConfig, stopping: threading.Event) -> None:
        self._spark, self._config, self._outputs, self._stopping = spark, config, pipeline.outputs, stopping
        self._letters = DeadLetters(spark, pipeline, config)
        self._compilation = Compilation(spark)
        self._superseded = Superseded(spark, config)
        # Threads are kept from batch to batch, because a thread that ends does not close its connection to Java.
        self._pool = ThreadPoolExecutor(len(pipeline.outputs) + 2, "write")
        self._provisional = [output.collection_name for output in pipeline.outputs if output.superseded_by]
        self._aggregates = any(output.window for output in pipeline.outputs)
        self._passed: str | None = None
        self._before: Planned | None = None
        # By batch. Spark reports a batch while the next one may already be written.
        self._steps: dict[int, BatchSteps] = {}
        self._large = LargeBatches(pipeline.outputs, self._letters, config, self._pool)
        self._small: SmallBatches | None = None

    def write(self, batch: DataFrame, batch_id: int) -> None:
        """Writes a batch; the function for ``foreachBatch``.

        Raises:
            StopRequested: the job was asked to stop, and the batch has written nothing.
            AnotherDriverError: another driver has committed the batch.
        """
        if self._stopping.is_set():
            raise StopRequested
        try:
            self._before = self._written(batch, batch_id)
        except Exception:
            # Another driver's later batches may have purged what this one needs: its plan and its state.
            if self._is_committed_elsewhere(batch_id):
                raise AnotherDriverError from None
            raise

    def steps_of(self, batch_id: int) -> BatchSteps:
        """Returns the steps of a committed batch, and forgets them and those before."""
        found = self._steps.get(batch_id, BatchSteps())
        for number in [number for number in self._steps if number <= batch_id]:
            del self._steps[number]
        return found

    def committed(self, progress: StreamingQueryProgress) -> None:
        """Removes notes that a committed batch's watermark has passed.

        No later batch needs them.
        """
        watermark = progress.eventTime.get("watermark")
        if self._provisional and watermark and watermark != self._passed:
            try:
                self._superseded.forget(self._provisional, datetime.fromisoformat(watermark))
                self._passed = watermark
            except Exception as error:  # MongoDB does not answer; the next batch removes the same notes
                _log.warning("notes not removed: %s", type(error).__name__)

    def close(self) -> None:
        """Ends the threads and releases the clients; call it after the query has ended."""
        self._pool.shutdown(wait=False)
        if self._small is not None:
            self._small.close()

    def _written(self, batch: DataFrame, batch_id: int) -> Planned:
        """Returns the plan of the batch, which has been written."""
        now = planned(self._spark, self._config, batch_id)
        rows = self._rows_of(batch, now)
        steps = self._steps[batch_id] = BatchSteps()
        try:
            self._write(rows, batch, batch_id, self._written_since(batch_id, now), steps)
        finally:
            rows.clear()
        return now

    def _is_committed_elsewhere(self, batch_id: int) -> bool:
        """Returns whether another driver has committed the batch.

        False if the checkpoint cannot be read.
        """
        try:
            return is_committed(self._spark, self._config, batch_id)
        except (OSError, Py4JJavaError):
            return False

    def _rows_of(self, batch: DataFrame, now: Planned) -> BatchRows:
        """Returns the implementation that computes and writes the batch."""
        seconds = self._config.trigger_seconds
        if self._before is None or not is_small(self._before, now, seconds, aggregates=self._aggregates):
            return self._large
        if self._small is None:
            self._small = SmallBatches(batch, self._outputs, self._letters, self._config)
        return self._small if self._small.are_possible else self._large

    def _written_since(self, batch_id: int, now: Planned) -> int | None:
        """Returns the ``since_ms`` of ``DeadLetters.append``."""
        if self._before:
            return None
        # A new checkpoint reads records again that an earlier one has read.
        return now.at_ms if batch_id else 0

    def _write(self, rows: BatchRows, batch: DataFrame, batch_id: int, since_ms: int | None, steps: BatchSteps) -> None:
        with steps.measured(COMPUTE):
            found = rows.compute(batch)
        steps.dead_letters = found.dead
        # Spark refuses a second commit of a batch only until it purges the first one.
        if is_committed(self._spark, self._config, batch_id):
            raise AnotherDriverError
        self._compilation.note(batch, found.events)
        tasks: list[Callable[[], None]] = []
        if found.dead:
            tasks.append(partial(self._append_letters, rows, batch_id, since_ms, steps))
        if found.events:
            tasks += [partial(self._write_documents, rows, output, steps) for output in self._outputs]
        side_by_side(self._pool, batch.sparkSession, tasks)

    def _write_documents(self, rows: BatchRows, output: Output, steps: BatchSteps) -> None:
        with steps.measured(DOCUMENTS, output.collection_name):
            rows.write_documents(output)
            if output.superseded_by is not None and self._superseded.has_notes(output.collection_name):
                self._superseded.remove(output.collection_name, rows.documents(output))

    def _append_letters(self, rows: BatchRows, batch_id: int, since_ms: int | None, steps: BatchSteps) -> None:
        with steps.measured(LETTERS):
            rows.append_letters(since_ms=since_ms)
        _log.warning(Notice.REJECTED, extra=values(batch=batch_id, dead_letters=steps.dead_letters))
