"""The rows of a batch: events, rejected records and control records."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.pipeline import Output
from tandem.engine.read.parse import ASIDE, IS_CONTROL


class Counts(NamedTuple):
    """What a batch has.

    Attributes:
        events: the number of rows to make documents of.
        dead: the number of dead letters.
        old: whether a row has a time for which ``dates.is_old`` holds.
    """

    events: int
    dead: int
    old: bool


class BatchRows(Protocol):
    """Computes the rows of a batch, and writes what is made of them.

    ``compute`` comes first for each batch and ``clear`` last. The other functions are about the batch between them.
    """

    def compute(self, batch: DataFrame) -> Counts:
        """Computes a batch."""

    def write_documents(self, output: Output) -> None:
        """Stores the documents of an output; see ``mongo_sink.write_documents``."""

    def documents(self, output: Output) -> DataFrame:
        """Returns the documents of an output."""

    def append_letters(self, *, planned_ms: int | None) -> None:
        """Appends the dead letters; see ``DeadLetters.append``."""

    def clear(self) -> None:
        """Releases the rows."""


def events_of(rows: DataFrame) -> DataFrame:
    """Returns the rows to make documents of."""
    return rows.where(F.col(ASIDE).isNull()).drop(ASIDE)


def rejected_of(rows: DataFrame) -> DataFrame:
    """Returns the records to make dead letters of, as ``DeadLetters.made_of`` takes them."""
    return rows.where(is_rejected()).select(f"{ASIDE}.*")


def is_rejected() -> Column:
    """Returns whether a row is a record to make a dead letter of; null for an event."""
    return ~F.col(f"{ASIDE}.{IS_CONTROL}")
