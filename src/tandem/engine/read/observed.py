"""Lets each batch's progress tell what was read of each stream."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.stream import Stream
from tandem.engine.read.parse import ASIDE, IS_CONTROL

# The metrics of a stream: how many events and control records a batch had, and the newest event time.
EVENTS, CONTROL, NEWEST = "events", "control", "newest_ms"


def observed(rows: DataFrame, stream: Stream) -> DataFrame:
    """Returns the stream's rows; each batch's progress notes how many were events and control records, and the newest
    event time."""
    is_event = F.col(ASIDE).isNull()
    newest = F.max(F.when(is_event, F.unix_millis(stream.event_time)))
    control = F.count_if(F.col(ASIDE)[IS_CONTROL])
    return rows.observe(stream.name, F.count_if(is_event).alias(EVENTS), control.alias(CONTROL), newest.alias(NEWEST))
