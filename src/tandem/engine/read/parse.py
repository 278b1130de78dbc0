"""Turns Kafka records into typed rows, or sets them aside: every record becomes exactly one row."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.stream import Stream
from tandem.engine.read.avro_format import AvroFormat
from tandem.engine.read.json_format import JsonFormat, control_time, is_control, is_no_control
from tandem.engine.read.value_format import ValueFormat

# The column of what was set aside: null for an event, else the original record and whether it is a control record.
ASIDE = "_aside"
IS_CONTROL = "is_control"


def format_of(stream: Stream) -> ValueFormat:
    """Returns how a stream's values are read."""
    return JsonFormat(stream) if stream.format is None else AvroFormat(stream, stream.format)


def parse(records: DataFrame, stream: Stream, *, max_clock_skew_seconds: int) -> DataFrame:
    """Returns one row for each record: the stream's fields with their types, and ``ASIDE``.

    In a row set aside all fields are null, but for the event time of a control record. So a record that is not an event
    can neither match nor move the watermark, however odd its content. Why a record is no event is found out later, by
    ``reject.Reasons``, for those records alone: here it would make the code that runs for every record too large
    for Java's compiler.

    Args:
        records: rows of Spark's Kafka source with ``includeHeaders``.
        stream: what an event must look like.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
    """
    value_format = format_of(stream)
    # Each stage is a projection of its own: Spark then evaluates each expression once for all its later uses.
    parsed = records.withColumns(dict(value_format.columns()))
    typed = parsed.select(
        "*", *(value_format.field(name, kind).alias(f"_f_{name}") for name, kind in stream.fields.items())
    )
    flagged = typed.withColumn("_event", _is_event(value_format, stream, max_clock_skew_seconds))
    flagged = flagged.withColumn(
        "_control", ~F.col("_event") & is_control() & is_timely(control_time(), max_clock_skew_seconds)
    )
    fields = {name: F.when(F.col("_event"), F.col(f"_f_{name}")) for name in stream.fields}
    fields[stream.event_time] = fields[stream.event_time].when(F.col("_control"), control_time())
    aside = F.struct(
        F.coalesce("_control", F.lit(False)).alias(IS_CONTROL),
        *("topic", "partition", "offset", "timestamp", "key", "value", "headers"),
    )
    return flagged.select(
        *(column.alias(name) for name, column in fields.items()), F.when(~F.col("_event"), aside).alias(ASIDE)
    )


def is_timely(time: Column, max_clock_skew_seconds: int) -> Column:
    """Returns whether an event time does not lie in the future of its record."""
    # An event time ends with year 9999, and a record's timestamp may be the largest there is: only the first has room.
    return F.unix_micros(time) - F.lit(max_clock_skew_seconds * 1_000_000) <= F.unix_micros("timestamp")


def _is_event(value_format: ValueFormat, stream: Stream, max_clock_skew_seconds: int) -> Column:
    """Returns whether a record is an event; never null. ``reject.Reasons`` knows why where it is not."""
    whole, *sound = value_format.checks()
    checks = [whole, is_timely(F.col(f"_f_{stream.event_time}"), max_clock_skew_seconds), is_no_control(), *sound]
    return F.coalesce(reduce(Column.__and__, checks), F.lit(False))
