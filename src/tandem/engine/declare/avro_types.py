"""Says which Avro types a declared type is read from, without Spark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from tandem.engine.declare.kind import (
    MAX_DECIMAL_BYTES,
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

# Logical types of a long that are times, and the length of their unit in microseconds.
MICROS = {"timestamp-millis": 1000, "timestamp-micros": 1}


def in_avro(kind: Kind) -> str:
    """Returns what a declared type needs in an Avro schema, for a message."""
    match kind:
        case String():
            return "a string"
        case Enum():
            return "an enum or a string"
        case Boolean():
            return "a boolean"
        case Integer():
            return "an int or a long" if kind.bits == 64 else "an int"
        case Double():
            return "a float or a double"
        case Decimal():
            if kind.in_bytes:
                return "FieldType.decimal"
            return f"bytes or fixed with the logicalType decimal, scale {kind.scale}, at most {kind.precision} digits"
        case Date():
            return "an int with the logicalType date"
        case Timestamp():
            if kind.unit is not TimeUnit.ISO_8601:
                return "FieldType.TIMESTAMP, because the schema has the unit"
            return "a long with the logicalType timestamp-millis or timestamp-micros"
        case Bytes():
            return "bytes or fixed"
        case Record():
            return "a record"
        case Array():
            return "an array"
        case Map():
            return "a map"
        case _:
            assert_never(kind)


def without_null(avro: Any) -> Mapping[str, Any] | None:
    """Returns the only type other than null, as an object.

    None if there are several.
    """
    if isinstance(avro, list):
        others = [each for each in avro if each != "null"]
        return without_null(others[0]) if len(others) == 1 else None
    return {"type": avro} if isinstance(avro, str) else avro


def fits(kind: Kind, avro: Mapping[str, Any]) -> bool:
    """Returns whether values of an Avro type can be of a declared type."""
    base, logical = avro["type"], avro.get("logicalType")
    match kind:
        case String():
            return bool(base == "string")
        case Enum():
            return base in ("string", "enum")
        case Boolean():
            return bool(base == "boolean")
        case Integer():
            return base in (("int", "long") if kind.bits == 64 else ("int",)) and logical not in (*MICROS, "date")
        case Double():
            return base in ("float", "double")
        case Decimal():
            return not kind.in_bytes and logical == "decimal" and _fits_decimal(kind, avro)
        case Date():
            return (base, logical) == ("int", "date")
        case Timestamp():
            return kind.unit is TimeUnit.ISO_8601 and base == "long" and logical in MICROS
        case Bytes():
            return base in ("bytes", "fixed") and logical != "decimal"
        case Record():
            return bool(base == "record")
        case Array():
            return bool(base == "array")
        case Map():
            return bool(base == "map")
        case _:
            assert_never(kind)


def _fits_decimal(kind: Decimal, avro: Mapping[str, Any]) -> bool:
    precision, scale = avro.get("precision"), avro.get("scale", 0)
    if not isinstance(precision, int) or scale != kind.scale or precision > kind.precision:
        return False
    return avro["type"] == "bytes" or (avro["type"] == "fixed" and int(avro["size"]) <= MAX_DECIMAL_BYTES)
