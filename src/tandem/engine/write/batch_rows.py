"""The rows of a batch: events, rejected records and control records."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.pipeline import Output
from tandem.engine.read.parse import ASIDE, IS_CONTROL


class Counts(NamedTuple):
    """The content of a batch.

    Attributes:
        events: the number of rows to make documents of.
        dead: the number of dead letters.
        old: whether a row has a time for which ``dates.is_old`` is true.
    """

    events: int
    dead: int
    old: bool


class BatchRows(Protocol):
    """Computes the rows of a batch, and writes its documents and dead letters.

    For each batch call ``compute`` first and ``clear`` last; the other methods are for the time between.
    """

    def compute(self, batch: DataFrame) -> Counts:
        """Computes a batch; returns the numbers of its rows."""

    def write_documents(self, output: Output) -> None:
        """Stores the documents of an output; see ``mongo_sink.write_documents``."""

    def documents(self, output: Output) -> DataFrame:
        """Returns the documents of an output."""

    def append_letters(self, *, since_ms: int | None) -> None:
        """Appends the dead letters; see ``DeadLetters.append``."""

    def clear(self) -> None:
        """Releases the rows."""


def events_of(rows: DataFrame) -> DataFrame:
    """Returns the rows to make documents of."""
    return rows.where(is_event()).drop(ASIDE)


def rejected_of(rows: DataFrame) -> DataFrame:
    """Returns the records to make dead letters of, as ``DeadLetters.made_of`` takes them."""
    return rows.where(is_rejected()).select(f"{ASIDE}.*")


def is_event() -> Column:
    """Returns whether a row is one to make documents of."""
    return F.col(ASIDE).isNull()


def is_rejected() -> Column:
    """Returns whether a row becomes a dead letter; null for an event."""
    return ~F.col(f"{ASIDE}.{IS_CONTROL}")
