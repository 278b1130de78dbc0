"""Checks whether a pipeline can resume from a checkpoint: Spark plans a batch on it without running it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from tandem.engine.spark.failure import Failure, failure_of

_Writer = Callable[[DataFrame, int], None]


class FitsError(Exception):
    """Spark has planned a batch, so the checkpoint fits."""


def misfit(start: Callable[[_Writer], StreamingQuery], folder: Path) -> Failure | None:
    """Returns why the query cannot resume from its checkpoint; None if it can.

    Spark compares the state that the checkpoint has with the state that the query needs when it plans a batch, and asks
    for the batch to be written behind that.

    Args:
        start: starts the query, given what writes a batch.
        folder: the pipeline's.
    """

    def write(_batch: DataFrame, _batch_id: int) -> None:
        raise FitsError

    try:
        start(write).awaitTermination()
    except StreamingQueryException as error:
        return None if FitsError.__name__ in str(error) else failure_of(error, folder, fresh=True)
    return None
