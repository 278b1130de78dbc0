"""Names the types that Spark's columns have."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from tandem.engine.declare.field_name import quoted
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
)
from tandem.engine.declare.stream import Stream


def columns(stream: Stream) -> str:
    """Returns the columns of a stream's rows as a Spark schema, for tests.

    >>> from tandem.pipeline import FieldType, RecordPart, Stream
    >>> fields = {"order_id": FieldType.STRING, "amount": FieldType.decimal(12, 2)}
    >>> columns(Stream("orders", "orders_v1", fields, event_time=RecordPart.TIMESTAMP, identity="order_id"))
    '`order_id` string, `amount` decimal(12,2), `event_time` timestamp'
    """
    types = {name: spark_type(kind) for name, kind in stream.fields.items()}
    types.setdefault(stream.identity_column, "string")
    types.setdefault(stream.time_column, "timestamp")
    return ", ".join(f"{quoted(name)} {each}" for name, each in types.items())


def spark_type(kind: Kind) -> str:
    """Returns the type of a field's column."""
    match kind:
        case String() | Enum():
            return "string"
        case Boolean():
            return "boolean"
        case Integer():
            return "bigint" if kind.bits == 64 else "int"
        case Double():
            return "double"
        case Decimal():
            return f"decimal({kind.precision},{kind.scale})"
        case Date():
            return "date"
        case Timestamp():
            return "timestamp"
        case Bytes():
            return "binary"
        case Record() | Array() | Map():
            return container(kind, spark_type)
        case _:
            assert_never(kind)


def container(kind: Record | Array | Map, inner: Callable[[Kind], str]) -> str:
    """Returns the type of a container, given the types of its content.

    Containers are records, arrays and maps.
    """
    match kind:
        case Record():
            return f"struct<{', '.join(f'{quoted(name)}: {inner(each)}' for name, each in kind.fields.items())}>"
        case Array():
            return f"array<{inner(kind.items)}>"
        case Map():
            return f"map<string, {inner(kind.values)}>"
