"""Turns Kafka records into typed rows, or sets them aside: every record becomes exactly one row."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.schema import (
    CONTROL_FIELD,
    CONTROL_KEY,
    CONTROL_TIME_FIELD,
    TIMESTAMP_PATTERN,
    FieldType,
    Stream,
)

# The column of what was set aside: null for an event, else the original record and whether it is a control record.
ASIDE = "_aside"
IS_CONTROL = "is_control"

VARIANT_TYPE = {FieldType.STRING: "STRING", FieldType.INTEGER: "BIGINT", FieldType.TIMESTAMP: "STRING"}

# An escape like \u00e9 with another character than a hexadecimal digit. Of one beyond ASCII Spark's JSON parser looks
# at the lower eight bits alone, and may find a digit there.
_WRONG_ESCAPE = r"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{0,3}[^\x00-\x7F]"


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
    # Each stage is a projection of its own: Spark then evaluates each expression once for all its later uses.
    parsed = records.withColumns({"_json": parse_json(F.col("value")), "_read": _read(stream)})
    typed = parsed.select(
        "*", *(_typed(F.col(f"_read.{name}"), kind).alias(f"_f_{name}") for name, kind in stream.fields.items())
    )
    flagged = typed.withColumn("_event", _is_event(stream, max_clock_skew_seconds))
    flagged = flagged.withColumn(
        "_control", ~F.col("_event") & is_control() & _is_timely(control_time(), max_clock_skew_seconds)
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


def parse_json(value: Column) -> Column:
    """Returns ``[<the record>, <its hash>]`` as a variant, or null when that is not valid JSON.

    Spark's JSON parser stops after the first value and ignores what follows. The wrapping makes it read to the end: the
    hash is found at its place only when the record is a single JSON value and nothing stands behind it.
    """
    text = value.cast("string")
    wrapped = F.concat(F.lit("["), text, F.lit(","), F.xxhash64(value).cast("string"), F.lit("]"))
    return F.when(F.is_valid_utf8(text) & ~text.rlike(_WRONG_ESCAPE), F.try_parse_json(wrapped))


def is_one_json_text() -> Column:
    """Returns whether ``_json`` was made of a single JSON value with nothing behind it; never null."""
    return F.coalesce(F.try_variant_get("_json", "$[1]", "bigint") == F.xxhash64("value"), F.lit(False))


def json_field(name: str) -> Column:
    """Returns a field of the record as a variant; null where the record has no such field or is no object."""
    return F.try_variant_get("_json", f"$[0]['{name}']", "variant")


def json_type(variant: Column) -> Column:
    """Returns a variant's type: ``OBJECT``, ``ARRAY``, ``STRING``, ``BIGINT``, ``VOID`` for a JSON null, and others.

    ``schema_of_variant`` alone would descend into what is nested: a thousand levels are more than a thread's stack.
    """
    return (
        F.when(F.try_variant_get(variant, "$", "map<string, variant>").isNotNull(), "OBJECT")
        .when(F.try_variant_get(variant, "$", "array<variant>").isNotNull(), "ARRAY")
        .otherwise(F.schema_of_variant(variant))
    )


def typed_field(name: str, kind: FieldType) -> Column:
    """Returns a field's value, or null; meaningful only where the JSON type is the declared one."""
    wanted = "bigint" if kind is FieldType.INTEGER else "string"
    return _typed(F.try_variant_get("_json", f"$[0]['{name}']", wanted), kind)


def _typed(value: Column, kind: FieldType) -> Column:
    if kind is not FieldType.TIMESTAMP:
        return value
    return F.when(value.rlike(f"^(?:{TIMESTAMP_PATTERN})\\z"), value.try_cast("timestamp"))


def _read(stream: Stream) -> Column:
    """Returns the record's fields as a struct, read in one pass.

    Alone it would not do: it takes the number 5 for the string "5", the last of two equal keys, and whatever stands
    behind the record. But to take values out of a variant costs more than to read the text once more.
    """
    fields = ", ".join(
        f"`{name}` {'bigint' if kind is FieldType.INTEGER else 'string'}" for name, kind in stream.fields.items()
    )
    return F.from_json(F.col("value").cast("string"), fields)


def is_control() -> Column:
    """Returns whether the record claims to be a control record."""
    return (F.col("key") == CONTROL_KEY.encode()) & is_one_json_text() & json_field(CONTROL_FIELD).isNotNull()


def control_time() -> Column:
    """Returns the event time of a control record, or null."""
    return typed_field(CONTROL_TIME_FIELD, FieldType.TIMESTAMP)


def _is_timely(time: Column, max_clock_skew_seconds: int) -> Column:
    return time <= F.col("timestamp") + F.expr(f"INTERVAL '{int(max_clock_skew_seconds)}' SECOND")


def _is_event(stream: Stream, max_clock_skew_seconds: int) -> Column:
    """Returns whether a record is an event; never null. ``reject.Reasons`` knows why where it is not."""
    checks = [
        is_one_json_text(),
        _is_timely(F.col(f"_f_{stream.event_time}"), max_clock_skew_seconds),
        F.coalesce(F.col("key") != CONTROL_KEY.encode(), F.lit(True)) | json_field(CONTROL_FIELD).isNull(),
        *(_is_sound(name, kind) for name, kind in stream.fields.items()),
    ]
    return F.coalesce(reduce(Column.__and__, checks), F.lit(False))


def _is_sound(name: str, kind: FieldType) -> Column:
    """Returns whether a field has its declared type and a value.

    As an integer Spark reads nothing but an integer, and what matches the pattern of a time can only have been a
    string. As a string it reads anything; but only text that looks like another JSON value may have been one.
    """
    value = F.col(f"_f_{name}")
    if kind is not FieldType.STRING:
        return value.isNotNull()
    may_be_other = value.rlike(r"^([\[{]|(-?[0-9][-+.0-9eE]*|true|false)\z)")
    return (value != "") & (~may_be_other | (json_type(json_field(name)) == VARIANT_TYPE[kind]))
