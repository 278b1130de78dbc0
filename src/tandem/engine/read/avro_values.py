"""Converts Avro values to declared types, and explains why one is invalid."""

from __future__ import annotations

from functools import reduce
from typing import assert_never

from pyspark.sql import Column
from pyspark.sql import functions as F

from tandem.engine.declare.avro_source import AvroReading, AvroSource, SourceProblem
from tandem.engine.declare.kind import (
    FIRST_MICROS,
    LAST_MICROS,
    Array,
    Boolean,
    Bytes,
    Date,
    Decimal,
    Double,
    Enum,
    Integer,
    Kind,
    Map,
    Record,
    String,
    Timestamp,
)
from tandem.engine.declare.spark_type import spark_type
from tandem.engine.declare.stream import DeadLetterError
from tandem.engine.read.decimals import decimal_of_bytes
from tandem.engine.read.expressions import let
from tandem.engine.read.field_reasons import NO_REASON, reason_of
from tandem.engine.read.typed_values import finite, is_storable, literal, whole_array, whole_map

# The years 0001 to 9999 in days since 1970.
_FIRST_DAY, _LAST_DAY = FIRST_MICROS // 86_400_000_000, LAST_MICROS // 86_400_000_000


def field_value(source: AvroSource, record: Column) -> Column:
    """Returns a field's value or its default; null if it has neither, or is invalid.

    Args:
        source: where the value is.
        record: the record that has the field.
    """
    if source.reading is None:
        return literal(source.kind, source.default)
    raw = record[source.name]
    value = _typed(source.reading, raw)
    fallback = source.kind.fallback
    return value if fallback is None else F.when(raw.isNull(), literal(source.kind, fallback)).otherwise(value)


def is_sound(source: AvroSource, value: Column, record: Column) -> Column:
    """Returns whether a field is valid, given its ``field_value``; never null."""
    if source.reading is None:
        return F.lit(source.problem is None)
    may_be_null = source.kind.is_optional and source.kind.fallback is None
    return value.isNotNull() | record[source.name].isNull() if may_be_null else value.isNotNull()


def field_reason(source: AvroSource, record: Column, path: Column) -> Column:
    """Returns a field's error and a detail that begins with the path.

    Null if the field is valid.

    Args:
        source: where the value is.
        record: the record that has the field.
        path: the field's path, such as ``items[3].price``.
    """
    if source.reading is not None:
        return let(record[source.name], lambda raw: _reason(source, raw, path))
    if source.problem is None:
        return F.lit(None).cast(NO_REASON)
    return _wrong(source.kind, path) if source.problem is SourceProblem.WRONG_TYPE else _missing(path)


def _typed(reading: AvroReading, raw: Column) -> Column:
    kind = reading.kind
    match kind:
        case String():
            return F.when(F.is_valid_utf8(raw) if kind.may_be_empty else F.is_valid_utf8(raw) & (raw != ""), raw)
        case Enum():
            return F.when(raw.isin(*kind.symbols), raw)
        case Boolean() | Bytes():
            return raw
        case Integer():
            return raw.cast(spark_type(kind))
        case Double():
            return finite(raw.cast("double"))
        case Decimal():
            return decimal_of_bytes(kind, raw)
        case Date():
            return F.when(raw.between(_FIRST_DAY, _LAST_DAY), F.date_from_unix_date(raw))
        case Timestamp():
            # An overflow becomes null; such a number is not a valid time anyway.
            micros = F.try_multiply(raw, F.lit(reading.micros)) if reading.micros > 1 else raw
            return F.when(micros.between(FIRST_MICROS, LAST_MICROS), F.timestamp_micros(micros))
        case Record():
            fields = (field_value(source, raw).alias(name) for name, source in reading.fields.items())
            both = F.struct(F.struct(*fields).alias("value"), raw.alias("raw"))
            # Computed once for both the values and the check of all of them.
            return let(both, lambda found: _if_sound(reading, found))
        case Array():
            return whole_array(F.transform(raw, lambda item: _item(reading, item)))
        case Map():
            entries = F.forall(F.map_keys(raw), lambda key: F.is_valid_utf8(key) & is_storable(key))
            return F.when(entries, whole_map(F.transform_values(raw, lambda _, value: _item(reading, value))))
        case _:
            assert_never(kind)


def _if_sound(reading: AvroReading, both: Column) -> Column:
    value, raw = both["value"], both["raw"]
    sound = (is_sound(source, value[name], raw) for name, source in reading.fields.items())
    return F.when(reduce(Column.__and__, sound, raw.isNotNull()), value)


def _item(reading: AvroReading, raw: Column) -> Column:
    inner = _inner(reading)
    return F.lit(None).cast(spark_type(inner.kind)) if inner.reading is None else _typed(inner.reading, raw)


def _inner(reading: AvroReading) -> AvroSource:
    if reading.inner is None:
        raise AssertionError(f"{reading.kind} has no items")
    return reading.inner


def _reason(source: AvroSource, raw: Column, path: Column) -> Column:
    """Returns the error of a value, or of a missing or null one."""
    if source.reading is None:
        return F.when(raw.isNull(), _null(path)).otherwise(_wrong(source.kind, path))
    inside = _inside(source.reading, raw, path)
    none = F.lit(None).cast(NO_REASON)
    return F.when(raw.isNull(), none if source.kind.is_optional else _null(path)).otherwise(inside)


def _inside(reading: AvroReading, raw: Column, path: Column) -> Column:
    """Returns the error of a value that is not null."""
    kind = reading.kind
    unusable = _wrong(kind, path)
    match kind:
        case Record():
            inner = (
                field_reason(source, raw, F.concat(path, F.lit(f".{name}"))) for name, source in reading.fields.items()
            )
            return F.coalesce(*inner)
        case Array():
            reasons = F.transform(raw, lambda item, number: _reason(_inner(reading), item, _at(path, number)))
            return F.get(F.filter(reasons, lambda each: each.isNotNull()), F.lit(0))
        case Map():
            # The reason must not depend on the order of the keys, so it is the least one, not the first.
            of_keys = F.transform(F.map_keys(raw), lambda key: _key_reason(kind, key, path))
            of_values = F.transform(
                F.map_values(raw), lambda value: _reason(_inner(reading), value, F.concat(path, F.lit("[*]")))
            )
            return F.array_min(F.concat(of_keys, of_values))
        case String():
            not_text = F.when(~F.is_valid_utf8(raw), reason_of(DeadLetterError.NOT_UTF8, path))
            return (
                not_text
                if kind.may_be_empty
                else not_text.when(raw == "", reason_of(DeadLetterError.EMPTY_FIELD, path))
            )
        case Date() | Timestamp():
            unusable = reason_of(DeadLetterError.BAD_TIME, path)
        case Enum() | Boolean() | Bytes() | Integer() | Double() | Decimal():
            pass
        case _:
            assert_never(kind)
    return F.when(_typed(reading, raw).isNull(), unusable)


def _key_reason(kind: Map, key: Column, path: Column) -> Column:
    not_text = F.when(~F.is_valid_utf8(key), reason_of(DeadLetterError.NOT_UTF8, path))
    return not_text.when(~is_storable(key), _wrong(kind, path))


def _at(path: Column, number: Column) -> Column:
    return F.concat(path, F.lit("["), number.cast("string"), F.lit("]"))


def _missing(path: Column) -> Column:
    return reason_of(DeadLetterError.MISSING_FIELD, path)


def _null(path: Column) -> Column:
    return reason_of(DeadLetterError.NULL_FIELD, path)


def _wrong(kind: Kind, path: Column) -> Column:
    return reason_of(DeadLetterError.WRONG_TYPE, F.concat(path, F.lit(f": not of type {kind}")))
