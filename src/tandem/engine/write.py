"""Writes one batch of the transform's rows to everything that the pipeline declares."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from tandem.engine.config import JobConfig
from tandem.engine.dead_letter import DeadLetters
from tandem.engine.parse import ASIDE, IS_CONTROL
from tandem.engine.pipeline import Pipeline
from tandem.engine.sink import write_documents

_FEW_ROWS = 10_000


class StopRequested(Exception):
    """The job was asked to stop before this batch wrote anything."""


def batch_writer(pipeline: Pipeline, config: JobConfig, stopping: threading.Event) -> Callable[[DataFrame, int], None]:
    """Returns the function for ``foreachBatch``.

    All that it writes can be written again without effect: documents by their ``_id``, dead letters because the first
    batch of a run, the only one that may be a replay, looks for those that are there.

    Args:
        pipeline: what to write where.
        config: where Kafka and MongoDB are.
        stopping: once set, a batch that has not begun raises ``StopRequested`` instead of writing.
    """
    letters = DeadLetters(pipeline, config)
    may_be_replay = True
    # As the batch before: a job that keeps up has small batches, and a backlog is read by large ones.
    few = False

    def write(batch: DataFrame, _batch_id: int) -> None:
        nonlocal may_be_replay, few
        if stopping.is_set():
            raise StopRequested
        rows = batch.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            total, dead = _write_documents(rows, pipeline, config, few=few)
            if dead:
                letters.write(rows.where(_rejected()).select(f"{ASIDE}.*"), replayed=may_be_replay)
        finally:
            rows.unpersist()
        may_be_replay, few = False, total < _FEW_ROWS

    return write


def _write_documents(rows: DataFrame, pipeline: Pipeline, config: JobConfig, *, few: bool) -> tuple[int, int]:
    """Writes the documents of all outputs and returns how many rows there are and how many dead letters among them.

    They are counted while the first output is written, so that a batch without dead letters needs no pass to find out.
    """
    seen = Observation()
    counted = rows.observe(seen, F.count(F.lit(1)).alias("total"), F.count_if(_rejected()).alias("dead"))
    for position, output in enumerate(pipeline.outputs):
        source = counted if position == 0 else rows
        events = source.where(F.col(ASIDE).isNull()).drop(ASIDE)
        write_documents(output.documents(events), output.collection, config, few=few)
    return int(seen.get["total"]), int(seen.get["dead"])


def _rejected() -> Column:
    return ~F.col(f"{ASIDE}.{IS_CONTROL}")
