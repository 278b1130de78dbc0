"""Writes one batch of the transform's rows to everything that the pipeline declares."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.checkpoint import is_committed
from tandem.engine.compilation import Compilation
from tandem.engine.config import JobConfig
from tandem.engine.dead_letter import DeadLetters
from tandem.engine.failure import AnotherDriverError
from tandem.engine.parse import ASIDE, IS_CONTROL
from tandem.engine.pipeline import Output, Pipeline
from tandem.engine.side_by_side import side_by_side
from tandem.engine.sink import FEW, write_documents
from tandem.engine.superseded import Superseded


class StopRequested(Exception):
    """The job was asked to stop before this batch wrote anything."""


def batch_writer(
    spark: SparkSession, pipeline: Pipeline, config: JobConfig, stopping: threading.Event
) -> Callable[[DataFrame, int], None]:
    """Returns the function for ``foreachBatch``.

    All that it writes can be written again without effect: documents by their ``_id``, dead letters because the first
    batch of a run, the only one that may be a replay, looks for those that are there. So documents are written at once,
    in any order, while the dead letters are made. These are appended last, as soon as it is certain that no other
    driver has done it.

    Args:
        spark: the session.
        pipeline: what to write where.
        config: where Kafka and MongoDB are.
        stopping: once set, a batch that has not begun raises ``StopRequested`` instead of writing.
    """
    letters = DeadLetters(spark, pipeline, config)
    compilation = Compilation(spark)
    superseded = Superseded(spark, config)
    # Kept from batch to batch: a thread that ends leaves its connection to Java behind.
    pool = ThreadPoolExecutor(len(pipeline.outputs) + 1, "write")
    may_be_replay = True

    def write_output(output: Output, rows: DataFrame, *, few: bool) -> None:
        documents = output.documents(rows.where(F.col(ASIDE).isNull()).drop(ASIDE))
        write_documents(documents, output.collection, config, few=few)
        if output.superseded_by:
            superseded.remove(output.collection)

    def make_letters(rows: DataFrame, made: list[DataFrame]) -> None:
        made.append(letters.made_of(rows.where(_rejected()).select(f"{ASIDE}.*")).persist(StorageLevel.MEMORY_AND_DISK))
        made[-1].count()

    def append_letters(made: DataFrame, batch_id: int, *, replayed: bool) -> None:
        # Documents may be written again, by whomever; dead letters may not.
        if is_committed(spark, config, batch_id):
            raise AnotherDriverError
        letters.append(made, replayed=replayed)

    def write(batch: DataFrame, batch_id: int) -> None:
        nonlocal may_be_replay
        if stopping.is_set():
            raise StopRequested
        rows = batch.persist(StorageLevel.MEMORY_AND_DISK)
        made: list[DataFrame] = []
        try:
            events, dead = _counted(rows)
            compilation.note(batch, events)
            tasks: list[Callable[[], None]] = []
            if dead:
                tasks.append(partial(make_letters, rows, made))
            if events:
                few = events < FEW
                tasks += [partial(write_output, output, rows, few=few) for output in pipeline.outputs]
            side_by_side(pool, batch.sparkSession, tasks)
            for each in made:
                append_letters(each, batch_id, replayed=may_be_replay)
        finally:
            for cached in (rows, *made):
                cached.unpersist()
        may_be_replay = False

    return write


def _counted(rows: DataFrame) -> tuple[int, int]:
    """Returns how many events and how many dead letters there are, and computes and caches the rows by it.

    Which way to write is best depends on it, and what there is none of needs no write.
    """
    events, dead = rows.select(F.count_if(F.col(ASIDE).isNull()), F.count_if(_rejected())).collect()[0]
    return int(events), int(dead)


def _rejected() -> Column:
    return ~F.col(f"{ASIDE}.{IS_CONTROL}")
