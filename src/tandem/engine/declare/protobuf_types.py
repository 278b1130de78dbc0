"""Says which Protobuf types a declared type is read from, without Spark."""

from __future__ import annotations

from typing import assert_never

from tandem.engine.declare.kind import (
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
from tandem.engine.declare.protobuf_descriptor import Descriptor, Field, Message

# Messages that are read as one value, by their full names.
TIMESTAMP, DATE, DECIMAL = "google.protobuf.Timestamp", "google.type.Date", "confluent.type.Decimal"
WRAPPERS = {
    f"google.protobuf.{name}Value": each
    for name, each in {
        "Double": "double",
        "Float": "float",
        "Int64": "int64",
        "UInt64": "uint64",
        "Int32": "int32",
        "UInt32": "uint32",
        "Bool": "bool",
        "String": "string",
        "Bytes": "bytes",
    }.items()
}
_INTEGERS_32 = ("int32", "sint32", "sfixed32")
_INTEGERS = (*_INTEGERS_32, "int64", "sint64", "sfixed64", "uint32", "fixed32", "uint64", "fixed64")


def scalar_of(field: Field) -> str:
    """Returns the type of a field's value; for a wrapper, that of the value inside."""
    return WRAPPERS.get(field.type_name, field.type) if field.type == "message" else field.type


def in_protobuf(kind: Kind) -> str:
    """Returns what a declared type needs in a Protobuf schema, for a message."""
    match kind:
        case String():
            return "a string"
        case Enum():
            return "an enum or a string"
        case Boolean():
            return "a bool"
        case Integer():
            return "an integer" if kind.bits == 64 else "an int32, a sint32 or a sfixed32"
        case Double():
            return "a float or a double"
        case Decimal():
            return "FieldType.decimal" if kind.in_bytes else f"a {DECIMAL} or a string"
        case Date():
            return f"a {DATE}"
        case Timestamp():
            return f"a {TIMESTAMP}" if kind.unit is TimeUnit.ISO_8601 else "an integer"
        case Bytes():
            return "bytes"
        case Record():
            return "a message"
        case Array():
            return f"a repeated field; each item is {in_protobuf(kind.items)}"
        case Map():
            return f"a map with strings as keys; each value is {in_protobuf(kind.values)}"
        case _:
            assert_never(kind)


def fits(kind: Kind, field: Field, types: Descriptor) -> bool:
    """Returns whether values of a field can be of a declared type.

    The fields inside of messages are not compared.

    Args:
        kind: the declared type.
        field: the field.
        types: the field's schema.
    """
    entry = entry_of(field, types)
    if isinstance(kind, Map):
        return (
            entry is not None and entry.by_number[1].type == "string" and _one(kind.values, entry.by_number[2], types)
        )
    if isinstance(kind, Array):
        return field.is_repeated and entry is None and _one(kind.items, field, types)
    return not field.is_repeated and _one(kind, field, types)


def entry_of(field: Field, types: Descriptor) -> Message | None:
    """Returns the type of a map's entries; None if the field is no map."""
    message = types.messages.get(field.type_name) if field.is_repeated else None
    return message if message is not None and message.is_map_entry else None


def _one(kind: Kind, field: Field, types: Descriptor) -> bool:
    """Returns whether one value of a field can be of a declared type."""
    scalar = scalar_of(field)
    match kind:
        case String():
            return scalar == "string"
        case Enum():
            return scalar == "string" or (scalar == "enum" and field.type_name in types.enums)
        case Boolean():
            return scalar == "bool"
        case Integer():
            return scalar in (_INTEGERS if kind.bits == 64 else _INTEGERS_32)
        case Double():
            return scalar in ("float", "double")
        case Decimal():
            return not kind.in_bytes and (scalar == "string" or field.type_name == DECIMAL)
        case Date():
            return field.type_name == DATE
        case Timestamp():
            return field.type_name == TIMESTAMP if kind.unit is TimeUnit.ISO_8601 else scalar in _INTEGERS
        case Bytes():
            return scalar == "bytes"
        case Record():
            return scalar == "message" and field.type_name in types.messages
        case Array() | Map():
            return False  # Protobuf has no arrays and maps inside others
        case _:
            assert_never(kind)
