"""Writes a batch: documents to MongoDB, dead letters to Kafka."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from datetime import datetime
from functools import partial

from pyspark import StorageLevel, inheritable_thread_target
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.listener import StreamingQueryProgress

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output, Pipeline
from tandem.engine.read.parse import ASIDE
from tandem.engine.spark.checkpoint import Planned, is_committed, planned
from tandem.engine.spark.dates import is_old
from tandem.engine.spark.failure import AnotherDriverError
from tandem.engine.write.compilation import Compilation
from tandem.engine.write.dead_letters import DeadLetters
from tandem.engine.write.mongo_sink import FEW, write_documents
from tandem.engine.write.small_batches import Counts, SmallBatches, events_of, is_rejected, is_small, rejected_of
from tandem.engine.write.superseded import Superseded

_log = logging.getLogger(__name__)


class StopRequested(Exception):
    """The job was asked to stop before this batch wrote anything."""


class BatchWriter:
    """Writes batches, one after another.

    Writing a batch twice has no effect. Documents are replaced by their ``_id``. Only the first batch of a run may be a
    replay, and it skips dead letters that the topic already has. So documents and dead letters are written in parallel
    and in any order, dead letters once it is certain that no other driver has committed the batch.

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
        self._had_dead = False
        self._provisional = [output.collection_name for output in pipeline.outputs if output.superseded_by]
        self._aggregates = any(output.window for output in pipeline.outputs)
        self._passed: str | None = None
        self._before: Planned | None = None
        self._small: SmallBatches | None = None

    def write(self, batch: DataFrame, batch_id: int) -> None:
        """Writes a batch; the function for ``foreachBatch``."""
        if self._stopping.is_set():
            raise StopRequested
        now = planned(self._spark, self._config, batch_id)
        small = self._small_for(batch, now)
        if small:
            self._write_small(small, batch, batch_id)
        else:
            self._write_large(batch, batch_id, now)
        self._before = now

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
        """Ends the threads; call it after the query has ended."""
        self._pool.shutdown(wait=False)

    def _small_for(self, batch: DataFrame, now: Planned) -> SmallBatches | None:
        """Returns the writer of small batches; None if the batch is large."""
        seconds = self._config.trigger_seconds
        if self._before is None or not is_small(self._before, now, seconds, aggregates=self._aggregates):
            return None
        if self._small is None:
            self._small = SmallBatches(batch, self._outputs, self._letters, self._config)
        return self._small if self._small.are_possible else None

    def _write_small(self, small: SmallBatches, batch: DataFrame, batch_id: int) -> None:
        try:
            self._write_collected(small, batch, batch_id)
        finally:
            small.clear()

    def _write_collected(self, small: SmallBatches, batch: DataFrame, batch_id: int) -> None:
        found = small.compute(batch)
        self._compilation.note(batch, found.events)
        tasks: list[Callable[[], None]] = []
        if found.dead:
            tasks.append(partial(self._append_few, small, batch_id))
        if found.events:
            # There may be more rows than records: windows were closed, or a record has many partners.
            write = self._write_few if found.events < FEW else self._write_many
            tasks += [partial(write, small, output, old=found.old) for output in self._outputs]
        side_by_side(self._pool, batch.sparkSession, tasks)

    def _write_few(self, small: SmallBatches, output: Output, *, old: bool) -> None:
        small.write_documents(output, old=old)
        if self._has_notes(output):
            self._superseded.remove(output.collection_name, small.documents(output))

    def _write_many(self, small: SmallBatches, output: Output, *, old: bool) -> None:
        self._write_documents(output, small.documents(output), few=False, old=old)

    def _write_large(self, batch: DataFrame, batch_id: int, now: Planned) -> None:
        rows = batch.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            self._write_cached(rows, batch_id, None if self._before else now.at_ms)
        finally:
            rows.unpersist()

    def _write_cached(self, rows: DataFrame, batch_id: int, planned_ms: int | None) -> None:
        counts: list[Counts] = []
        documents: list[DataFrame] = []
        letters: list[DataFrame] = []

        def count() -> None:
            counts.append(_counted(rows))

        def declare_documents() -> None:
            documents.extend(output.documents(events_of(rows)) for output in self._outputs)

        def declare_letters() -> None:
            letters.append(self._letters.made_of(rejected_of(rows)))

        def append_letters() -> None:
            if not letters:
                declare_letters()
            self._append(letters[0], batch_id, planned_ms)

        # Python needs as long to declare the writes as Spark to compute a small batch, so both run in parallel. Dead
        # letters are declared in advance if the previous batch had some.
        declarations = [declare_documents, declare_letters] if self._had_dead else [declare_documents]
        side_by_side(self._pool, rows.sparkSession, [count, *declarations])
        found = counts[0]
        self._compilation.note(rows, found.events)
        tasks: list[Callable[[], None]] = []
        if found.dead:
            tasks.append(append_letters)
        if found.events:
            few = found.events < FEW
            written = zip(self._outputs, documents, strict=True)
            tasks += [partial(self._write_documents, output, made, few=few, old=found.old) for output, made in written]
        side_by_side(self._pool, rows.sparkSession, tasks)
        self._had_dead = found.dead > 0

    def _write_documents(self, output: Output, documents: DataFrame, *, few: bool, old: bool) -> None:
        write_documents(documents, output.collection_name, self._config, few=few, old=old)
        if self._has_notes(output):
            self._superseded.remove(output.collection_name, documents)

    def _has_notes(self, output: Output) -> bool:
        return output.superseded_by is not None and self._superseded.has_notes(output.collection_name)

    def _append_few(self, small: SmallBatches, batch_id: int) -> None:
        self._refuse_if_committed(batch_id)
        small.append_letters()

    def _append(self, letters: DataFrame, batch_id: int, planned_ms: int | None) -> None:
        self._refuse_if_committed(batch_id)
        self._letters.append(letters, planned_ms=planned_ms)

    def _refuse_if_committed(self, batch_id: int) -> None:
        # Two drivers may write the same documents, but not the same dead letters.
        if is_committed(self._spark, self._config, batch_id):
            raise AnotherDriverError


def _counted(rows: DataFrame) -> Counts:
    """Computes and caches the rows of a batch; returns their numbers.

    The numbers decide how to write the batch, and whether there is anything to write.
    """
    found = rows.select(F.count_if(F.col(ASIDE).isNull()), F.count_if(is_rejected()), F.bool_or(is_old(rows)))
    events, dead, old = found.collect()[0]
    return Counts(int(events), int(dead), bool(old))


def side_by_side(threads: Executor, session: SparkSession, tasks: Sequence[Callable[[], None]]) -> None:
    """Runs tasks in parallel; returns when all have ended, even if one failed.

    Args:
        threads: an executor with at least one thread for each task.
        session: the caller's session. The tasks inherit the caller's Spark properties, such as the query.
        tasks: the tasks.

    Raises:
        Exception: the error of the first failed task.
    """
    begun = [threads.submit(inheritable_thread_target(session)(task)) for task in tasks]
    wait(begun)
    for each in begun:
        each.result()
