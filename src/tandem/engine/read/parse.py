"""Turns each Kafka record into one row: an event, or a row set aside."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.field_name import Path, quoted
from tandem.engine.declare.kind import FIRST_MICROS, LAST_MICROS
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import DeadLetterError, Stream
from tandem.engine.read.avro_format import AvroFormat
from tandem.engine.read.document_id import document_id
from tandem.engine.read.json_format import FlatJsonFormat, JsonFormat, control_time, is_control, is_sent_by
from tandem.engine.read.protobuf_format import ProtobufFormat
from tandem.engine.read.value_format import Rule, ValueFormat

# The column of rows that are set aside: the original record, and whether it is a control record; null for an event.
ASIDE = "_aside"
IS_CONTROL = "is_control"
# The names of a record's parts in the details of dead letters.
KEY, TIMESTAMP = "the record's key", "the record's timestamp"


def format_of(stream: Stream) -> ValueFormat:
    """Returns the format of a stream's values."""
    if isinstance(stream.format, Avro):
        return AvroFormat(stream, stream.format)
    if isinstance(stream.format, Protobuf):
        return ProtobufFormat(stream, stream.format)
    return FlatJsonFormat(stream) if FlatJsonFormat.can_read(stream) else JsonFormat(stream)


def parse(records: DataFrame, stream: Stream, *, max_clock_skew_seconds: int, sender: str | None = None) -> DataFrame:
    """Returns one row for each record: the stream's columns, and ``ASIDE``.

    An ignored tombstone has none.

    A row that is set aside has null in all fields, except for the event time of the sender's control records. So a
    rejected record, or a control record of another job, can neither match nor advance the watermark, whatever it
    contains. ``reject.Reasons`` later finds the reason, for rejected records only. Here it would make the code for
    every record too large for Java's compiler.

    Args:
        records: rows of Spark's Kafka source with ``includeHeaders``.
        stream: the declaration of the events.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
        sender: the job whose control records have an event time; None for no job.
    """
    value_format = format_of(stream)
    # Each stage is a separate projection, so that Spark evaluates each expression once for all later uses.
    parsed = records.where(F.col("value").isNotNull()) if stream.ignores_tombstones else records
    for stage in value_format.columns():
        parsed = parsed.withColumns(dict(stage))
    typed = parsed.select("*", *(value_format.field(name).alias(f"_f_{name}") for name in stream.fields))
    flagged = typed.withColumn("_event", _is_event(value_format, stream, max_clock_skew_seconds))
    flagged = flagged.withColumn(
        "_control", ~F.col("_event") & is_control() & is_timely(control_time(), max_clock_skew_seconds)
    )
    columns = {name: _field((name,)) for name in stream.fields}
    columns.setdefault(stream.identity_column, _identity(stream))
    columns[stream.time_column] = _event_time(stream)
    values = {name: F.when(F.col("_event"), column) for name, column in columns.items()}
    values[stream.time_column] = values[stream.time_column].when(F.col("_control") & is_sent_by(sender), control_time())
    aside = F.struct(
        F.coalesce("_control", F.lit(False)).alias(IS_CONTROL),
        *("topic", "partition", "offset", "timestamp", "key", "value", "headers"),
    )
    return flagged.select(
        *(column.alias(name) for name, column in values.items()), F.when(~F.col("_event"), aside).alias(ASIDE)
    )


def is_timely(time: Column, max_clock_skew_seconds: int) -> Column:
    """Returns whether an event time is not too far after the record's timestamp."""
    # The skew is subtracted from the event time, which ends with year 9999. Added to a record's timestamp, which may be
    # the largest number, it would overflow.
    return F.unix_micros(time) - F.lit(max_clock_skew_seconds * 1_000_000) <= F.unix_micros("timestamp")


def key_rules(stream: Stream) -> list[Rule]:
    """Returns the rules for a record's key, in order.

    None if the identity does not have the key.
    """
    if not stream.needs_key:
        return []
    key = F.col("key")
    return [
        (key.isNull(), DeadLetterError.MISSING_FIELD, KEY),
        (F.length(key) == 0, DeadLetterError.EMPTY_FIELD, KEY),
        (~F.is_valid_utf8(key.cast("string")), DeadLetterError.NOT_UTF8, KEY),
    ]


def time_rules(stream: Stream) -> list[Rule]:
    """Returns the rules for a record's timestamp; none if it is not the event time."""
    if stream.event_time_path is not None:
        return []
    return [(~F.unix_micros("timestamp").between(FIRST_MICROS, LAST_MICROS), DeadLetterError.BAD_TIME, TIMESTAMP)]


def _is_event(value_format: ValueFormat, stream: Stream, max_clock_skew_seconds: int) -> Column:
    """Returns whether a record is an event.

    Never null. ``reject.Reasons`` has the reasons why not.
    """
    whole, *sound = value_format.checks()
    broken = [~condition for condition, *_ in (*key_rules(stream), *time_rules(stream))]
    checks = [whole, is_timely(_event_time(stream), max_clock_skew_seconds), *sound, *broken]
    return F.coalesce(reduce(Column.__and__, checks), F.lit(False))


def _event_time(stream: Stream) -> Column:
    path = stream.event_time_path
    return F.col("timestamp") if path is None else _field(path)


def _identity(stream: Stream) -> Column:
    key = F.col("key").cast("string")
    if stream.identity_paths is None:
        return key
    parts = [_field(path) if path else key for path in stream.identity_paths]
    return parts[0].cast("string") if len(parts) == 1 else document_id(*parts)


def _field(path: Path) -> Column:
    return reduce(Column.__getitem__, path[1:], F.col(quoted(f"_f_{path[0]}")))
