"""Converts the fields of sample events to the fields of an Avro record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from tandem.engine.declare.avro_source import AvroReading, AvroSource
from tandem.engine.declare.kind import (
    Array,
    Boolean,
    Bytes,
    Date,
    Decimal,
    Double,
    Enum,
    Integer,
    Map,
    Record,
    String,
    Timestamp,
)


def record_of(sources: Mapping[str, AvroSource], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a record for fastavro, which converts dates and decimals.

    It lacks the fields that are None, and those that the schema does not have.

    Args:
        sources: the places of the declared fields in the schema.
        fields: the values, a time in milliseconds; those that are not declared are taken as they are.
    """
    record = {name: value for name, value in fields.items() if name not in sources}
    for name, source in sources.items():
        if source.reading is not None and fields.get(name) is not None:
            record[source.name] = _value(source.reading, fields[name])
    return record


def _value(reading: AvroReading, value: Any) -> Any:
    match reading.kind:
        case Timestamp():
            return value * 1000 // reading.micros
        case Record():
            return record_of(reading.fields, value)
        case Array():
            return [_item(reading, each) for each in value]
        case Map():
            return {name: _item(reading, each) for name, each in value.items()}
        case String() | Boolean() | Integer() | Double() | Decimal() | Date() | Bytes() | Enum():
            return value
        case _:
            assert_never(reading.kind)


def _item(reading: AvroReading, value: Any) -> Any:
    inner = reading.inner and reading.inner.reading
    return _value(inner, value) if inner else value
