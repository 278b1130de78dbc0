"""Decides whether Spark compiles a query to Java code or interprets it.

Compilation takes half the time of a new driver's first batches. It pays off once the query has read many rows. Even
then, small batches interpret their projections: a join's conditions contain the watermark, so each batch compiles them
again.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

# From this number of events on, in one batch or in all, compilation saves more time than it takes on a cold JVM.
MANY = 40_000
MANY_IN_ALL = 1_000_000
# After this many batches in a row with fewer events than this, the next one is probably small, too.
FEW = 10_000
FEW_IN_A_ROW = 20
# The second setting is meant for Spark's own tests, but no other setting selects the mode. Results are the same.
_WHOLE_STAGE, _PROJECTIONS = "spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode"
INTERPRETED = {_WHOLE_STAGE: "false", _PROJECTIONS: "NO_CODEGEN"}
_DEFAULTS = {_WHOLE_STAGE: "true", _PROJECTIONS: "FALLBACK"}


class Compilation:
    """Interprets a query until it has read many events, then compiles it.

    While its batches are small, only their projections are interpreted. The user's settings may forbid to compile.

    Args:
        spark: the session in which the query starts next; the query keeps a copy of the session's settings.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._compiles, self._events, self._few_in_a_row = False, 0, 0
        # These are the driver's own settings. The session's may have been changed for an earlier query.
        given = spark.sparkContext.getConf()
        self._busy = {name: given.get(name, default) or default for name, default in _DEFAULTS.items()}
        self._settings = INTERPRETED
        _set(spark, INTERPRETED)

    def note(self, batch: DataFrame, events: int) -> None:
        """Counts a batch's events, and changes the mode of the next batches."""
        self._events += events
        self._compiles = self._compiles or events >= MANY or self._events >= MANY_IN_ALL
        self._few_in_a_row = self._few_in_a_row + 1 if events < FEW else 0
        settings = self._wanted()
        if settings != self._settings:
            self._settings = settings
            _set(batch.sparkSession, settings)

    def _wanted(self) -> dict[str, str]:
        if not self._compiles:
            return INTERPRETED
        if self._few_in_a_row >= FEW_IN_A_ROW:
            return {**self._busy, _PROJECTIONS: INTERPRETED[_PROJECTIONS]}
        return self._busy


def _set(spark: SparkSession, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        spark.conf.set(name, value)
