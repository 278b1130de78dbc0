"""The interval join that keeps rows without a partner and lets rows that were set aside pass through."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tandem.engine.read.parse import ASIDE


def interval_join(
    left: DataFrame, right: DataFrame, *, on: tuple[str, str], times: tuple[str, str], within_seconds: int
) -> DataFrame:
    """Returns the full outer join of two streams whose times differ by at most ``within_seconds``.

    The condition bounds the times on both sides and both carry a watermark, so Spark can evict state and emits a row
    without partner once none can come. A row with ``ASIDE`` set (a dead letter, a control record) fails the condition
    on its own side; Spark then emits it at once as an outer row and never stores it, so one query carries everything
    and each record is read and parsed once.

    Args:
        left: columns distinct from those of ``right`` but for ``ASIDE``, which both have or neither.
        right: likewise.
        on: the equal columns, left and right.
        times: the event-time columns (timestamp), left and right.
        within_seconds: the largest difference of the two times, both ways, inclusive.
    """
    aside_left, aside_right = f"{ASIDE}_left", f"{ASIDE}_right"
    carries = ASIDE in left.columns
    left = left.withColumnRenamed(ASIDE, aside_left)
    right = right.withColumnRenamed(ASIDE, aside_right)
    # A literal: Spark derives from the condition when state may go, and reads no computed interval there.
    within = F.expr(f"INTERVAL '{int(within_seconds)}' SECOND")
    condition = (
        (F.col(on[0]) == F.col(on[1]))
        & (F.col(times[1]) >= F.col(times[0]) - within)
        & (F.col(times[1]) <= F.col(times[0]) + within)
    )
    if not carries:
        return left.join(right, condition, "full_outer")
    condition = condition & F.col(aside_left).isNull() & F.col(aside_right).isNull()
    joined = left.join(right, condition, "full_outer")
    return joined.withColumn(ASIDE, F.coalesce(aside_left, aside_right)).drop(aside_left, aside_right)


def no_longer_alone(pairs: DataFrame, kinds: Mapping[str, tuple[str, str]], *, within_seconds: int) -> DataFrame:
    """Returns, for ``SupersededBy``, the ``_id``s that both events of each pair would have as ones without a partner.

    Args:
        pairs: the documents of pairs.
        kinds: by what begins such an ``_id`` (``<kind>|<identity>``): the pairs' columns with an event's identity and
            its event time.
        within_seconds: as for ``interval_join``; so long after its time an event without a partner is written.
    """
    window = F.expr(f"INTERVAL '{int(within_seconds)}' SECOND")
    alone = [
        F.struct(F.concat(F.lit(f"{kind}|"), identity).alias("_id"), (F.col(time) + window).alias("until"))
        for kind, (identity, time) in kinds.items()
    ]
    return pairs.select(F.inline(F.array(*alone)))
