"""Writes small batches from the driver, which one Spark job has computed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output
from tandem.engine.spark.checkpoint import Planned
from tandem.engine.spark.dates import is_old
from tandem.engine.write.batch_rows import Counts, events_of, is_event, is_rejected, rejected_of
from tandem.engine.write.dead_letters import DeadLetters
from tandem.engine.write.driver_rows import DriverQuery, DriverRows
from tandem.engine.write.driver_writer import DriverWriter
from tandem.engine.write.mongo_sink import FEW, SmallWriter, write_documents

# A batch of up to this many records is small, unless its watermark advances so far that many windows may close.
_RECORDS = 10_000
_WATERMARK_MS = 10_000


def is_small(before: Planned, now: Planned, trigger_seconds: float, *, aggregates: bool) -> bool:
    """Returns whether a batch probably has few rows; called before it is computed.

    Args:
        before: the plan of the previous batch.
        now: the plan of the batch.
        trigger_seconds: the time from one batch's start to the next.
        aggregates: whether the watermark emits all groups of a window when it reaches the window's end.
    """
    read = (
        end - before.offsets.get(topic, {}).get(partition, 0)
        for topic, ends in now.offsets.items()
        for partition, end in ends.items()
    )
    steady_ms = 0 if aggregates else max(_WATERMARK_MS, round(2000 * trigger_seconds))
    return sum(read) <= _RECORDS and now.watermark_ms - before.watermark_ms <= steady_ms


class SmallBatches:
    """Implements ``BatchRows`` for small batches; declares the writes once.

    Args:
        batch: the first batch.
        outputs: the outputs to write.
        letters: makes and appends dead letters.
        config: MongoDB's address.

    Attributes:
        are_possible: whether the driver can evaluate all outputs. They must be projections and filters of the rows,
            without the current time, random values and subqueries.
    """

    def __init__(self, batch: DataFrame, outputs: Sequence[Output], letters: DeadLetters, config: JobConfig) -> None:
        self._rows, self._letters, self._config = DriverRows(batch), letters, config
        rows = self._rows.placeholder
        events, self._rejected = events_of(rows), rejected_of(rows)
        # To count rows, Spark need not copy their columns.
        self._events, self._dead, self._old = (
            DriverQuery(self._rows, rows.where(each)) for each in (is_event(), is_rejected(), is_old(rows))
        )
        self._writers = {
            output.collection_name: SmallWriter(self._rows, output.documents(events), output.collection_name, config)
            for output in outputs
        }
        documents = (writer.documents for writer in self._writers.values())
        self.are_possible = not any(query.needs_a_job for query in (self._events, self._dead, self._old, *documents))

    def compute(self, batch: DataFrame) -> Counts:
        """Computes a batch; returns the numbers of its rows."""
        rows = self._rows.collect(batch)
        events = _count(self._events)
        self._found = Counts(events, _count(self._dead) if rows > events else 0, _count(self._old) > 0)
        return self._found

    def write_documents(self, output: Output) -> None:
        """Stores the documents of an output; see ``mongo_sink.write_documents``."""
        old = self._found.old
        if self._found.events < FEW:
            self._writers[output.collection_name].write(old=old)
        else:
            # There may be more rows than records: windows were closed, or a record has many partners.
            write_documents(self.documents(output), output.collection_name, self._config, few=False, old=old)

    def documents(self, output: Output) -> DataFrame:
        """Returns the documents of an output."""
        return self._writers[output.collection_name].documents.frame()

    def append_letters(self, *, since_ms: int | None) -> None:
        """Appends the dead letters; see ``DeadLetters.append``."""
        try:
            for query, writer in self._made_letters:
                if query.needs_a_job or since_ms is not None:
                    self._letters.append(query.frame(), since_ms=since_ms)
                else:
                    writer.write(query.rows())
        except Py4JJavaError as error:
            self._letters.raise_if_final(error)
            raise

    def clear(self) -> None:
        """Releases the rows."""
        self._rows.clear()

    def close(self) -> None:
        """Releases MongoDB's clients."""
        for writer in self._writers.values():
            writer.close()

    @cached_property
    def _made_letters(self) -> list[tuple[DriverQuery, DriverWriter]]:
        made = self._letters.made_by_stream(self._rejected)
        return [(DriverQuery(self._rows, letters), self._letters.writer(letters)) for letters in made]


def _count(query: DriverQuery) -> int:
    return int(query.rows().size())
