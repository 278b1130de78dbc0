"""The interval join that keeps rows without a partner and lets rows that were set aside pass through."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tandem.engine.parse import ASIDE


def interval_join(
    left: DataFrame, right: DataFrame, *, on: tuple[str, str], times: tuple[str, str], within_seconds: int
) -> DataFrame:
    """Returns the full outer join of two streams whose times differ by at most ``within_seconds``.

    The condition bounds the times on both sides and both carry a watermark, so Spark can evict state and emits a row
    without partner once none can come. A row with ``ASIDE`` set (a dead letter, a control record) fails the condition
    on its own side; Spark then emits it at once as an outer row and never stores it, so one query carries everything
    and each record is read and parsed once.

    Args:
        left: columns distinct from those of ``right`` but for ``ASIDE``.
        right: likewise.
        on: the equal columns, left and right.
        times: the event-time columns (timestamp), left and right.
        within_seconds: the largest difference of the two times, both ways, inclusive.
    """
    aside_left, aside_right = f"{ASIDE}_left", f"{ASIDE}_right"
    left = left.withColumnRenamed(ASIDE, aside_left)
    right = right.withColumnRenamed(ASIDE, aside_right)
    # A literal: Spark derives from the condition when state may go, and reads no computed interval there.
    within = F.expr(f"INTERVAL '{int(within_seconds)}' SECOND")
    condition = (
        (F.col(on[0]) == F.col(on[1]))
        & (F.col(times[1]) >= F.col(times[0]) - within)
        & (F.col(times[1]) <= F.col(times[0]) + within)
        & F.col(aside_left).isNull()
        & F.col(aside_right).isNull()
    )
    joined = left.join(right, condition, "full_outer")
    return joined.withColumn(ASIDE, F.coalesce(aside_left, aside_right)).drop(aside_left, aside_right)
