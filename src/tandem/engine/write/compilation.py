"""Decides whether Spark compiles a query to Java code or interprets it.

Compilation takes half the time of a new driver's first batches. It pays off once the query has read many rows.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

# From this many events on, in one batch or in all, compilation gains more time than it takes on a cold JVM.
MANY = 40_000
MANY_IN_ALL = 1_000_000
# Spark has the second setting for its own tests. Both modes give the same results, and no other setting chooses one.
_WHOLE_STAGE, _PROJECTIONS = "spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode"
INTERPRETED = {_WHOLE_STAGE: "false", _PROJECTIONS: "NO_CODEGEN"}
_DEFAULTS = {_WHOLE_STAGE: "true", _PROJECTIONS: "FALLBACK"}


class Compilation:
    """Interprets a query until it has read many events, then compiles it, unless the settings forbid that.

    Args:
        spark: the session in which the query starts next; the query keeps a copy of the session's settings.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._compiles, self._events = False, 0
        # The driver's own settings, not those that an earlier query left in the session.
        given = spark.sparkContext.getConf()
        self._busy = {name: given.get(name, default) or default for name, default in _DEFAULTS.items()}
        _set(spark, INTERPRETED)

    def note(self, batch: DataFrame, events: int) -> None:
        """Counts a batch's events, and turns compilation on once there were many."""
        self._events += events
        if not self._compiles and (events >= MANY or self._events >= MANY_IN_ALL):
            self._compiles = True
            _set(batch.sparkSession, self._busy)


def _set(spark: SparkSession, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        spark.conf.set(name, value)
