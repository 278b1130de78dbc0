"""Turns the variants of a JSON record into values of declared types.

A value is null if the record has no value of the declared type. So a record is valid if no required field is null.
``field_reasons`` explains why a record is invalid.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, assert_never

from pyspark.sql import Column
from pyspark.sql import functions as F

from tandem.engine.declare.kind import (
    BASE64_PATTERN,
    DATE_PATTERN,
    FIRST_MICROS,
    LAST_MICROS,
    TIMESTAMP_PATTERN,
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
    TimeUnit,
)
from tandem.engine.declare.spark_type import container, spark_type
from tandem.engine.read.decimals import decimal_of_bytes, decimal_of_text
from tandem.engine.read.expressions import let, matching

_LARGEST_DOUBLE = 1.7976931348623157e308
_INTEGER, _TEXT = "BIGINT", "STRING"
# Numbers with a fraction and without an exponent, and integers of more than 64 bits, are decimals of up to 38 digits.
_EXACT = rf"{_INTEGER}|DECIMAL\(.*"


def shape_of(kind: Kind) -> str:
    """Returns the type to which a variant is cast.

    It is a struct with a variant for each unchecked value.

    Optional values stay variants, because only a variant shows whether a value is absent or of another type.
    """
    if kind.is_optional or not isinstance(kind, Record | Array | Map):
        return "variant"
    return container(kind, shape_of)


def json_type(variant: Column) -> Column:
    """Returns a variant's type as a text.

    Types are ``OBJECT``, ``ARRAY``, ``STRING``, ``BIGINT``, ``VOID`` for a JSON null, and others.

    ``schema_of_variant`` alone would visit all nested values; a thousand levels overflow a thread's stack.
    """
    return (
        F.when(F.try_variant_get(variant, "$", "map<string, variant>").isNotNull(), "OBJECT")
        .when(F.try_variant_get(variant, "$", "array<variant>").isNotNull(), "ARRAY")
        .otherwise(F.schema_of_variant(variant))
    )


def json_types_of(kind: Kind) -> str:
    """Returns a pattern of the results of ``json_type`` that a declared type accepts."""
    match kind:
        case String() | Enum() | Date() | Bytes():
            return _TEXT
        case Timestamp():
            return _TEXT if kind.unit is TimeUnit.ISO_8601 else _INTEGER
        case Boolean():
            return "BOOLEAN"
        case Integer():
            return _INTEGER
        case Double():
            return rf"{_EXACT}|DOUBLE"
        case Decimal():
            return _TEXT if kind.in_bytes else rf"{_EXACT}|{_TEXT}"
        case Record() | Map():
            return "OBJECT"
        case Array():
            return "ARRAY"
        case _:
            assert_never(kind)


def is_of(kind: Kind, variant: Column) -> Column:
    """Returns whether a variant has a JSON type that a declared type accepts."""
    return json_type(variant).rlike(rf"^({json_types_of(kind)})\z")


def field_value(kind: Kind, raw: Column) -> Column:
    """Returns a field's value or its default; null if it has neither, or another type.

    Args:
        kind: the declared type.
        raw: the value, cast to the type of ``shape_of``.
    """
    if not kind.is_optional:
        return _typed(kind, raw)
    if isinstance(kind, Record | Array | Map):
        found = let(F.try_variant_get(raw, "$", container(kind, shape_of)), lambda inner: _typed(kind, inner))
    else:
        found = _typed(kind, raw)
    return found if kind.fallback is None else F.when(is_absent(raw), literal(kind, kind.fallback)).otherwise(found)


def is_sound(kind: Kind, value: Column, raw: Column) -> Column:
    """Returns whether a field is valid, given its ``field_value``; never null."""
    sound = value.isNotNull()
    return sound | is_absent(raw) if kind.is_optional and kind.fallback is None else sound


def is_absent(raw: Column) -> Column:
    """Returns whether an optional field is missing or null, given its variant."""
    return raw.isNull() | F.is_variant_null(raw)


def scalar(kind: Kind, value: Column) -> Column:
    """Returns a value of the type ``raw_type`` converted to its declared type.

    Null if it does not fit.
    """
    match kind:
        case String():
            return value if kind.may_be_empty else F.nullif(value, F.lit(""))
        case Boolean():
            return value
        case Integer():
            return value if kind.bits == 64 else value.try_cast("int")
        case Double():
            return finite(value)
        case Decimal():
            return decimal_of_bytes(kind, let(value, _bytes)) if kind.in_bytes else decimal_of_text(kind, value)
        case Date():
            return matching(value, DATE_PATTERN, value.try_cast("date"))
        case Timestamp():
            return _timestamp(kind.unit, value)
        case Bytes():
            return _bytes(value)
        case Enum():
            return F.when(value.isin(*kind.symbols), value)
        case Record() | Array() | Map():
            raise AssertionError(f"{kind} is not a scalar type")
        case _:
            assert_never(kind)


def finite(value: Column) -> Column:
    """Returns a number; null if it is infinite or not a number."""
    # -0 becomes 0, because a JSON number without an exponent has lost its sign.
    return F.when(F.abs(value) <= _LARGEST_DOUBLE, value + F.lit(0.0))


def raw_type(kind: Kind) -> str:
    """Returns the type of the values that ``scalar`` takes."""
    match kind:
        case Boolean():
            return "boolean"
        case Integer():
            return "bigint"
        case Double():
            return "double"
        case Timestamp():
            return "string" if kind.unit is TimeUnit.ISO_8601 else "bigint"
        case String() | Decimal() | Date() | Bytes() | Enum():
            return "string"
        case Record() | Array() | Map():
            raise AssertionError(f"{kind} is not a scalar type")
        case _:
            assert_never(kind)


def _typed(kind: Kind, raw: Column) -> Column:
    match kind:
        case Record():
            values = F.struct(*(field_value(each, raw[name]).alias(name) for name, each in kind.fields.items()))
            # Computed once for both the values and the check of all of them.
            return let(F.struct(values.alias("value"), raw.alias("raw")), lambda both: _if_sound(kind, both))
        case Array():
            return whole_array(F.transform(raw, lambda item: _typed(kind.items, item)))
        case Map():
            storable = F.forall(F.map_keys(raw), is_storable)
            return F.when(storable, whole_map(F.transform_values(raw, lambda _, value: _typed(kind.values, value))))
        case _:
            return scalar(kind, F.when(is_of(kind, raw), F.try_variant_get(raw, "$", raw_type(kind))))


def _if_sound(kind: Record, both: Column) -> Column:
    value, raw = both["value"], both["raw"]
    sound = (is_sound(each, value[name], raw[name]) for name, each in kind.fields.items())
    return F.when(reduce(Column.__and__, sound, raw.isNotNull()), value)


def whole_array(items: Column) -> Column:
    """Returns an array; null if one of its items is null."""
    return let(items, lambda found: F.when(F.forall(found, lambda item: item.isNotNull()), found))


def whole_map(values: Column) -> Column:
    """Returns a map; null if one of its values is null."""
    return let(values, lambda found: F.when(F.forall(F.map_values(found), lambda each: each.isNotNull()), found))


def is_storable(key: Column) -> Column:
    """Returns whether MongoDB can store a field of this name."""
    return ~key.contains("\0")


def _timestamp(unit: TimeUnit, value: Column) -> Column:
    if unit is TimeUnit.ISO_8601:
        return matching(value, TIMESTAMP_PATTERN, value.try_cast("timestamp"))
    micros = F.try_multiply(value, F.lit(unit.micros)) if unit.micros > 1 else value
    return F.when(micros.between(FIRST_MICROS, LAST_MICROS), F.timestamp_micros(micros))


def _bytes(value: Column) -> Column:
    whole = F.length(value) % 4 == 0
    return F.when(whole & value.rlike(rf"^{BASE64_PATTERN}\z"), F.unbase64(value))


def literal(kind: Kind, value: Any) -> Column:
    """Returns a column of a value in the form of an event's field; None is null."""
    if value is None:
        return F.lit(None).cast(spark_type(kind))
    match kind:
        case Timestamp():
            return F.timestamp_micros(F.lit(value))
        case Decimal():
            return F.lit(format(value, "f")).cast(spark_type(kind))
        case Date():
            return F.lit(str(value)).cast(spark_type(kind))
        case Array():
            return F.array(*(literal(kind.items, each) for each in value)).cast(spark_type(kind))
        case Map():
            pairs = ((F.lit(name), literal(kind.values, each)) for name, each in value.items())
            return F.create_map(*(each for pair in pairs for each in pair)).cast(spark_type(kind))
        case Record():
            return F.struct(*(literal(each, value[name]).alias(name) for name, each in kind.fields.items()))
        case String() | Boolean() | Integer() | Double() | Bytes() | Enum():
            return F.lit(value).cast(spark_type(kind))
        case _:
            assert_never(kind)
