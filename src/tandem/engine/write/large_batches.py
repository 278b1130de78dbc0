"""Writes large batches by Spark's tasks, which also compute and cache the rows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import cache, partial

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output
from tandem.engine.spark.dates import is_old
from tandem.engine.write.batch_rows import Counts, events_of, is_event, is_rejected, rejected_of
from tandem.engine.write.dead_letters import DeadLetters
from tandem.engine.write.mongo_sink import FEW, write_documents
from tandem.engine.write.side_by_side import side_by_side


class LargeBatches:
    """Implements ``BatchRows`` for large batches.

    Args:
        outputs: the outputs to write.
        letters: makes and appends dead letters.
        config: MongoDB's address.
        threads: an executor with at least three threads.
    """

    def __init__(self, outputs: Sequence[Output], letters: DeadLetters, config: JobConfig, threads: Executor) -> None:
        self._outputs, self._letters, self._config, self._threads = outputs, letters, config, threads
        self._found = Counts(0, 0, old=False)
        self._rows: DataFrame | None = None

    def compute(self, batch: DataFrame) -> Counts:
        """Computes and caches a batch. Meanwhile Python declares what will be made of it."""
        self._rows = batch.persist(StorageLevel.MEMORY_AND_DISK)
        self._declared_letters = cache(lambda: self._letters.made_of(rejected_of(batch)))

        def declare() -> None:
            self._documents = {output.collection_name: output.documents(events_of(batch)) for output in self._outputs}

        # Dead letters are declared in advance if the previous batch had some.
        letters = [self._declared_letters] if self._found.dead else []
        count = partial(_counted, batch)
        self._found, *_ = side_by_side(self._threads, batch.sparkSession, [count, declare, *letters])
        return self._found

    def write_documents(self, output: Output) -> None:
        """Stores the documents of an output; see ``mongo_sink.write_documents``."""
        few = self._found.events < FEW
        documents = self.documents(output)
        write_documents(documents, output.collection_name, self._config, few=few, old=self._found.old)

    def documents(self, output: Output) -> DataFrame:
        """Returns the documents of an output."""
        return self._documents[output.collection_name]

    def append_letters(self, *, since_ms: int | None) -> None:
        """Appends the dead letters; see ``DeadLetters.append``."""
        self._letters.append(self._declared_letters(), since_ms=since_ms)

    def clear(self) -> None:
        """Releases the rows, if they were cached."""
        if self._rows is not None:
            self._rows.unpersist()
            self._rows = None


def _counted(rows: DataFrame) -> Counts:
    """Computes and caches the rows of a batch; returns their numbers.

    The numbers decide how to write the batch, and whether there is anything to write.
    """
    found = rows.select(F.count_if(is_event()), F.count_if(is_rejected()), F.bool_or(is_old(rows)))
    events, dead, old = found.collect()[0]
    return Counts(int(events), int(dead), bool(old))
