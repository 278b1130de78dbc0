"""The interval join, which also passes dead letters and control records."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.read.decided import DECIDED, is_decided
from tandem.engine.read.parse import ASIDE


def interval_join(
    left: DataFrame, right: DataFrame, *, on: tuple[str, str], times: tuple[str, str], within_seconds: int
) -> DataFrame:
    """Returns the full outer join of two streams within a time difference.

    The condition bounds the times on both sides, and both have a watermark. So Spark evicts state, and emits an
    unmatched row once no match can arrive.

    A row with ``ASIDE`` set (a dead letter or a control record) never meets the condition. Spark emits it at once as an
    outer row and does not store it. So one query carries all rows, and reads and parses each record once.

    In a batch whose rows have the column ``DECIDED``, an event without a partner is left out if a partner may be
    outside of the batch.

    Args:
        left: the left rows. Only the columns ``ASIDE`` and ``DECIDED`` may be in both sides. Each must be in both or
            neither.
        right: the right rows.
        on: the equal columns, left and right.
        times: the event-time columns (timestamp), left and right.
        within_seconds: the largest difference of the two times in either direction, inclusive.

    Examples:
        >>> orders = spark.sql("SELECT 'o1' AS order_id, TIMESTAMP '2026-11-29 10:00' AS ordered_at")
        >>> payments = spark.sql('''
        ...     SELECT * FROM VALUES
        ...         ('p1', 'o1', TIMESTAMP '2026-11-29 10:30'),
        ...         ('p2', 'o1', TIMESTAMP '2026-11-29 10:31')
        ...     AS (payment_id, paid_order, paid_at)
        ... ''')
        >>> joined = interval_join(
        ...     orders,
        ...     payments,
        ...     on=("order_id", "paid_order"),
        ...     times=("ordered_at", "paid_at"),
        ...     within_seconds=1800,
        ... )
        >>> joined.orderBy("payment_id").show()
        +--------+-------------------+----------+----------+-------------------+
        |order_id|         ordered_at|payment_id|paid_order|            paid_at|
        +--------+-------------------+----------+----------+-------------------+
        |      o1|2026-11-29 10:00:00|        p1|        o1|2026-11-29 10:30:00|
        |    NULL|               NULL|        p2|        o1|2026-11-29 10:31:00|
        +--------+-------------------+----------+----------+-------------------+
        <BLANKLINE>
    """
    aside_left, aside_right = f"{ASIDE}_left", f"{ASIDE}_right"
    carries = ASIDE in left.columns
    left = left.withColumnRenamed(ASIDE, aside_left)
    right = right.withColumnRenamed(ASIDE, aside_right)
    # A literal, because Spark derives the eviction of state from the condition and ignores computed intervals.
    within = F.expr(f"INTERVAL '{int(within_seconds)}' SECOND")
    condition = (
        (F.col(on[0]) == F.col(on[1]))
        & (F.col(times[1]) >= F.col(times[0]) - within)
        & (F.col(times[1]) <= F.col(times[0]) + within)
    )
    if DECIDED in left.columns:
        return _decided(left, right, condition, times, within)
    if not carries:
        return left.join(right, condition, "full_outer")
    condition = condition & F.col(aside_left).isNull() & F.col(aside_right).isNull()
    joined = left.join(right, condition, "full_outer")
    return joined.withColumn(ASIDE, F.coalesce(aside_left, aside_right)).drop(aside_left, aside_right)


def _decided(left: DataFrame, right: DataFrame, condition: Column, times: tuple[str, str], within: Column) -> DataFrame:
    """Returns the pairs, and the rows without a partner that are decided."""
    of_left, of_right = f"{DECIDED}_left", f"{DECIDED}_right"
    joined = left.withColumnRenamed(DECIDED, of_left).join(
        right.withColumnRenamed(DECIDED, of_right), condition, "full_outer"
    )
    limits = F.coalesce(of_left, of_right)
    time = F.when(F.col(of_right).isNull(), F.col(times[0])).otherwise(F.col(times[1]))
    is_pair = F.col(of_left).isNotNull() & F.col(of_right).isNotNull()
    kept = joined.where(is_pair | is_decided(limits, time, within))
    return kept.withColumn(DECIDED, limits).drop(of_left, of_right)


def no_longer_alone(pairs: DataFrame, kinds: Mapping[str, tuple[str, str]], *, within_seconds: int) -> DataFrame:
    """Returns the ``_id``s that a pair's events would have as unmatched documents.

    This is the function for ``SupersededBy``.

    Args:
        pairs: the documents of the pairs.
        kinds: the pairs' columns with an event's identity and event time, by the kind. An unmatched document's ``_id``
            is ``<kind>|<identity>``.
        within_seconds: as for ``interval_join``; an unmatched event is written this long after its event time.

    Examples:
        >>> facts = spark.sql('''
        ...     SELECT 'o1' AS order_id, TIMESTAMP '2026-11-29 10:00' AS ordered_at,
        ...            'p1' AS payment_id, TIMESTAMP '2026-11-29 10:30' AS paid_at
        ... ''')
        >>> kinds = {"order": ("order_id", "ordered_at"), "payment": ("payment_id", "paid_at")}
        >>> no_longer_alone(facts, kinds, within_seconds=1800).show()
        +----------+-------------------+
        |       _id|              until|
        +----------+-------------------+
        |  order|o1|2026-11-29 10:30:00|
        |payment|p1|2026-11-29 11:00:00|
        +----------+-------------------+
        <BLANKLINE>
    """
    window = F.expr(f"INTERVAL '{int(within_seconds)}' SECOND")
    alone = [
        F.struct(F.concat(F.lit(f"{kind}|"), identity).alias("_id"), (F.col(time) + window).alias("until"))
        for kind, (identity, time) in kinds.items()
    ]
    return pairs.select(F.inline(F.array(*alone)))
