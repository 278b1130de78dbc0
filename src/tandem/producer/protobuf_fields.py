"""Converts the fields of sample events to the fields of a Protobuf message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem.engine.declare.kind import DIGITS, Array, Date, Decimal, Map, Record, Timestamp
from tandem.engine.declare.protobuf_descriptor import Field
from tandem.engine.declare.protobuf_resolution import ProtobufSource

_BITS_PER_BYTE = 8


def fill(message: Any, sources: Mapping[str, ProtobufSource], fields: Mapping[str, Any]) -> None:
    """Sets the fields of a message.

    Args:
        message: the message, of Protobuf's own library.
        sources: the places of the declared fields in the schema.
        fields: the values, a time in milliseconds; those that are None, or that the message lacks, are not set.
    """
    for name, source in sources.items():
        value, field = fields.get(name), source.field
        if value is None or field is None or field.number not in message.DESCRIPTOR.fields_by_number:
            continue
        if isinstance(source.kind, Array) and source.inner is not None:
            items = getattr(message, field.name)
            for each in value:
                if field.type == "message":
                    _fill_one(items.add(), source.inner, each)
                else:
                    items.append(_scalar(field, source.inner, each))
        elif isinstance(source.kind, Map) and source.inner is not None and source.inner.field is not None:
            entries = getattr(message, field.name)
            for key, each in value.items():
                if source.inner.field.type == "message":
                    _fill_one(entries[key], source.inner, each)
                else:
                    entries[key] = _scalar(source.inner.field, source.inner, each)
        elif field.type == "message":
            getattr(message, field.name).SetInParent()
            _fill_one(getattr(message, field.name), source, value)
        else:
            setattr(message, field.name, _scalar(field, source, value))


def _fill_one(message: Any, source: ProtobufSource, value: Any) -> None:
    """Sets the fields of a message that is one value."""
    match source.kind:
        case Record():
            fill(message, source.fields, value)
        case Timestamp() if message.DESCRIPTOR.name == "Timestamp":
            message.seconds, rest = divmod(value, 1000)
            message.nanos = rest * 1_000_000
        case Date():
            message.year, message.month, message.day = value.year, value.month, value.day
        case Decimal() if message.DESCRIPTOR.name == "Decimal":
            unscaled = int(value.scaleb(source.kind.scale, context=DIGITS))
            length = unscaled.bit_length() // _BITS_PER_BYTE + 1
            message.value = unscaled.to_bytes(length, "big", signed=True)
            message.precision, message.scale = source.kind.precision, source.kind.scale
        case _:
            message.value = _plain(source, value)


def _scalar(field: Field, source: ProtobufSource, value: Any) -> Any:
    if field.type == "enum":
        if value not in source.symbols:
            raise ValueError(f"{field.type_name} has no {value!r}")
        return source.symbols[value]
    return _plain(source, value)


def _plain(source: ProtobufSource, value: Any) -> Any:
    if isinstance(source.kind, Timestamp):
        return value * 1000 // source.kind.unit.micros
    return f"{value:f}" if isinstance(source.kind, Decimal) else value
