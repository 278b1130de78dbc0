"""Writes small batches from the driver: one Spark job computes the rows, and none writes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output
from tandem.engine.read.parse import ASIDE, IS_CONTROL
from tandem.engine.spark.checkpoint import Planned
from tandem.engine.spark.dates import is_old
from tandem.engine.write.dead_letters import DeadLetters
from tandem.engine.write.driver_rows import DriverQuery, DriverRows
from tandem.engine.write.driver_writer import DriverWriter
from tandem.engine.write.mongo_sink import SmallWriter

# A batch of so many records is small, unless its watermark moves so far that the windows of many more may close.
_RECORDS = 10_000
_WATERMARK_MS = 10_000


class Counts(NamedTuple):
    """What a batch has.

    Attributes:
        events: how many rows there are to make documents of.
        dead: how many dead letters there are.
        old: whether there are times for which ``dates.is_old`` holds.
    """

    events: int
    dead: int
    old: bool


def is_small(before: Planned, now: Planned) -> bool:
    """Returns whether a batch has few rows, as far as one knows before it is computed.

    Args:
        before: what is noted of the batch before.
        now: what is noted of the batch.
    """
    read = (
        end - before.offsets.get(topic, {}).get(partition, 0)
        for topic, ends in now.offsets.items()
        for partition, end in ends.items()
    )
    return sum(read) <= _RECORDS and now.watermark_ms - before.watermark_ms <= _WATERMARK_MS


def events_of(rows: DataFrame) -> DataFrame:
    """Returns the rows to make documents of."""
    return rows.where(F.col(ASIDE).isNull()).drop(ASIDE)


def rejected_of(rows: DataFrame) -> DataFrame:
    """Returns the records to make dead letters of, as ``DeadLetters.made_of`` takes them."""
    return rows.where(is_rejected()).select(f"{ASIDE}.*")


def is_rejected() -> Column:
    """Returns whether a row is a record to make a dead letter of; null for an event."""
    return ~F.col(f"{ASIDE}.{IS_CONTROL}")


class SmallBatches:
    """Declares once what is written of every small batch of a query.

    Args:
        batch: the first one.
        outputs: which documents to write.
        letters: what makes dead letters.
        config: where MongoDB is.
    """

    def __init__(self, batch: DataFrame, outputs: Sequence[Output], letters: DeadLetters, config: JobConfig) -> None:
        self._rows, self._letters = DriverRows(batch), letters
        declared = self._rows.declared
        events, self._rejected = events_of(declared), rejected_of(declared)
        self._events, self._dead, self._old = map(
            self._rows.query, (events, self._rejected, declared.where(is_old(declared)))
        )
        self._writers = {
            output.collection_name: SmallWriter(self._rows, output.documents(events), output.collection_name, config)
            for output in outputs
        }

    def compute(self, batch: DataFrame) -> Counts:
        """Computes a batch; what is written from now on is made of it."""
        rows = self._rows.collect(batch)
        events = _count(self._events)
        return Counts(events, _count(self._dead) if rows > events else 0, _count(self._old) > 0)

    def write_documents(self, output: Output, *, old: bool) -> None:
        """Stores the documents of an output; see ``SmallWriter.write``."""
        self._writers[output.collection_name].write(old=old)

    def documents(self, output: Output) -> DataFrame:
        """Returns the documents of an output."""
        return self._writers[output.collection_name].documents()

    def append_letters(self) -> None:
        """Appends the dead letters.

        Raises:
            CannotGoOnError: as for ``DeadLetters.append``.
        """
        for query, writer in self._made_letters:
            rows = query.rows()
            try:
                if rows is not None:
                    writer.write(rows)
                    continue
            except Py4JJavaError as error:
                self._letters.raise_if_final(error)
                raise
            self._letters.append(query.frame(), planned_ms=None)

    @cached_property
    def _made_letters(self) -> list[tuple[DriverQuery, DriverWriter]]:
        made = self._letters.made_by_stream(self._rejected)
        return [(self._rows.query(letters), self._letters.writer(letters)) for letters in made]


def _count(query: DriverQuery) -> int:
    rows = query.rows()
    return int(query.frame().count() if rows is None else rows.size())
