"""Marks a batch's events with the limits for unmatched events.

A stream decides by its watermark. A batch has none, and its records have a first one, too. Before the first one or
behind the last one there may be a partner that the batch does not read.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.field_name import RESERVED

# The column with the limits, the same in every row; ``interval_join`` applies it and passes it on.
DECIDED = f"{RESERVED}_decided"


def with_limits(events: DataFrame, *, complete_ms: int | None, watermark_ms: int) -> DataFrame:
    """Returns the events with the column ``DECIDED``.

    Args:
        events: the events of a batch.
        complete_ms: the batch has all events from this event time on, in milliseconds since 1970; None for all.
        watermark_ms: the watermark that the batch's records imply.
    """
    since = F.lit(None).cast("timestamp") if complete_ms is None else F.timestamp_millis(F.lit(complete_ms))
    until = F.timestamp_millis(F.lit(watermark_ms))
    return events.withColumn(DECIDED, F.struct(since.alias("since"), until.alias("until")))


def is_decided(limits: Column, time: Column, within: Column) -> Column:
    """Returns whether all possible partners of an event are among the batch's events.

    Args:
        limits: the column ``DECIDED``.
        time: the event time.
        within: how far the event time of a partner may differ, as an interval.
    """
    begun = limits["since"].isNull() | (time - within >= limits["since"])
    return begun & (time + within <= limits["until"])
