"""Decides whether Spark compiles its queries to Java, or interprets them.

To compile takes half of a new driver's first batches; what it gains shows with many rows: of a batch, or of a join's
state, all of which every batch looks at.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

# As many events as make the gain larger than what compiling takes on a cold Java: in one batch, or in all.
MANY = 40_000
MANY_IN_ALL = 1_000_000
# The second one Spark has for its own tests; both ways give the same, and there is no other to choose.
_WHOLE_STAGE, _PROJECTIONS = "spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode"
INTERPRETED = {_WHOLE_STAGE: "false", _PROJECTIONS: "NO_CODEGEN"}
_DEFAULTS = {_WHOLE_STAGE: "true", _PROJECTIONS: "FALLBACK"}


class Compilation:
    """Lets a query interpret until there were many events, and compile from then on, unless settings forbid it.

    Args:
        spark: the session in which the query is started next; the query goes on with a copy of its settings.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._compiles, self._events = False, 0
        # What the driver was started with, not what an earlier query of this session was given.
        given = spark.sparkContext.getConf()
        self._busy = {name: given.get(name, default) or default for name, default in _DEFAULTS.items()}
        _set(spark, INTERPRETED)

    def note(self, batch: DataFrame, events: int) -> None:
        """Takes note of how many events a batch of the query has."""
        self._events += events
        if not self._compiles and (events >= MANY or self._events >= MANY_IN_ALL):
            self._compiles = True
            _set(batch.sparkSession, self._busy)


def _set(spark: SparkSession, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        spark.conf.set(name, value)
