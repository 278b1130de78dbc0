"""Writes one batch of the transform's rows to everything that the pipeline declares."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from datetime import datetime
from functools import partial

from pyspark import StorageLevel, inheritable_thread_target
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.listener import StreamingQueryProgress

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output, Pipeline
from tandem.engine.read.parse import ASIDE, IS_CONTROL
from tandem.engine.spark.checkpoint import is_committed, planned
from tandem.engine.spark.dates import is_old
from tandem.engine.spark.failure import AnotherDriverError
from tandem.engine.write.compilation import Compilation
from tandem.engine.write.dead_letters import DeadLetters
from tandem.engine.write.mongo_sink import FEW, write_documents
from tandem.engine.write.superseded import Superseded

_log = logging.getLogger(__name__)


class StopRequested(Exception):
    """The job was asked to stop before this batch wrote anything."""


class BatchWriter:
    """Writes batches, one after another.

    All that it writes can be written again without effect: documents by their ``_id``, dead letters because the first
    batch of a run, the only one that may be a replay, looks for those that are there. So all of it is written at once,
    in any order; dead letters as soon as it is certain that no other driver has done it.

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
        self._may_be_replay, self._had_dead = True, False
        self._provisional = [output.collection_name for output in pipeline.outputs if output.superseded_by]
        self._passed: str | None = None

    def write(self, batch: DataFrame, batch_id: int) -> None:
        """Is the function for ``foreachBatch``."""
        if self._stopping.is_set():
            raise StopRequested
        rows = batch.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            self._write(rows, batch_id)
        finally:
            rows.unpersist()
        self._may_be_replay = False

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

    def _write(self, rows: DataFrame, batch_id: int) -> None:
        counts: list[tuple[int, int, bool]] = []
        documents: list[DataFrame] = []
        letters: list[DataFrame] = []

        def count() -> None:
            counts.append(_counted(rows))

        def declare_documents() -> None:
            events = rows.where(F.col(ASIDE).isNull()).drop(ASIDE)
            documents.extend(output.documents(events) for output in self._outputs)

        def declare_letters() -> None:
            letters.append(self._letters.made_of(rows.where(_rejected()).select(f"{ASIDE}.*")))

        def append_letters() -> None:
            if not letters:
                declare_letters()
            self._append(letters[0], batch_id)

        # To declare what to write takes Python as long as Spark takes to compute a small batch. There are dead letters
        # in most batches or in few.
        declarations = [declare_documents, declare_letters] if self._had_dead else [declare_documents]
        side_by_side(self._pool, rows.sparkSession, [count, *declarations])
        events, dead, old = counts[0]
        self._compilation.note(rows, events)
        tasks: list[Callable[[], None]] = []
        if dead:
            tasks.append(append_letters)
        if events:
            few = events < FEW
            written = zip(self._outputs, documents, strict=True)
            tasks += [partial(self._write_documents, output, made, few=few, old=old) for output, made in written]
        side_by_side(self._pool, rows.sparkSession, tasks)
        self._had_dead = dead > 0

    def _write_documents(self, output: Output, documents: DataFrame, *, few: bool, old: bool) -> None:
        write_documents(documents, output.collection_name, self._config, few=few, old=old)
        if output.superseded_by:
            self._superseded.remove(output.collection_name, documents)

    def _append(self, letters: DataFrame, batch_id: int) -> None:
        # Documents may be written again, by whomever; dead letters may not.
        if is_committed(self._spark, self._config, batch_id):
            raise AnotherDriverError
        planned_ms = planned(self._spark, self._config, batch_id).at_ms if self._may_be_replay else None
        self._letters.append(letters, planned_ms=planned_ms)


def _counted(rows: DataFrame) -> tuple[int, int, bool]:
    """Returns how many events and how many dead letters there are, and whether there are old times.

    It computes and caches the rows by it. Which way to write is best depends on it, and what there is none of needs no
    write.
    """
    counted = rows.select(F.count_if(F.col(ASIDE).isNull()), F.count_if(_rejected()), F.bool_or(is_old(rows)))
    events, dead, old = counted.collect()[0]
    return int(events), int(dead), bool(old)


def _rejected() -> Column:
    return ~F.col(f"{ASIDE}.{IS_CONTROL}")


def side_by_side(threads: Executor, session: SparkSession, tasks: Sequence[Callable[[], None]]) -> None:
    """Returns when all tasks have ended, whether or not one failed: what they work on may be gone afterwards.

    Args:
        threads: as many as there are tasks.
        session: the caller's; what Spark knows of the caller's thread, such as the query that it works for, holds for
            the tasks.
        tasks: what to do.

    Raises:
        Exception: what the first of those that failed has raised.
    """
    begun = [threads.submit(inheritable_thread_target(session)(task)) for task in tasks]
    wait(begun)
    for each in begun:
        each.result()
