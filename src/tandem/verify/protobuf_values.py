"""Converts decoded Protobuf values to declared types.

It is independent of ``engine.read.protobuf_values``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, assert_never

from google.protobuf import descriptor_pb2

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
from tandem.engine.declare.stream import DeadLetterError
from tandem.verify import protobuf_scalars as scalars
from tandem.verify.avro_scalars import double, map_of, same, text_reader, wrong
from tandem.verify.field_values import Read, Refused, array_reader
from tandem.verify.protobuf_messages import Shape
from tandem.verify.protobuf_types import Of, Types

_Proto = descriptor_pb2.FieldDescriptorProto
_WHOLE_32 = (_Proto.TYPE_INT32, _Proto.TYPE_SINT32, _Proto.TYPE_SFIXED32)
_WHOLE_64 = (_Proto.TYPE_INT64, _Proto.TYPE_SINT64, _Proto.TYPE_SFIXED64)
_WHOLE = (
    *_WHOLE_32,
    *_WHOLE_64,
    _Proto.TYPE_UINT32,
    _Proto.TYPE_FIXED32,
    _Proto.TYPE_UINT64,
    _Proto.TYPE_FIXED64,
)


class ValueReader(NamedTuple):
    """How the values of a field are converted, and the shape of a message."""

    read: Read
    inner: Shape | None = None


class _Step(NamedTuple):
    """Takes one declared field from a message."""

    name: str
    path: str
    kind: Kind
    field: Any
    read: Read | None


def record_reader(fields: Mapping[str, Kind], written: Of, newest: Of, mark: str = "") -> ValueReader:
    """Returns how the declared fields of a message are read.

    Args:
        fields: the declared fields.
        written: the message in the schema of the records.
        newest: the same in the newest schema.
        mark: the text before a name in a path; a dot inside another record.
    """
    shape, steps = Shape(written.message), []
    for name, kind in fields.items():
        (wanted,) = (each for each in newest.message.field if each.name == name)
        own, types = _own(wanted, written, newest)
        part = _reader(kind, own, types, wanted, newest.types)
        if part is not None:
            shape.add(own, part.inner)
        steps.append(_Step(name, mark + name, kind, own, part and part.read))
    return ValueReader(lambda message: {step.name: _value(step, message) for step in steps}, shape)


def _own(wanted: Any, written: Of, newest: Of) -> tuple[Any, Types]:
    """Returns the field in the schema of the records, or in the newest one."""
    taken = {each.number for each in newest.message.field}
    by_number = [each for each in written.message.field if each.number == wanted.number]
    by_name = [each for each in written.message.field if each.name == wanted.name and each.number not in taken]
    found = [*by_number, *by_name]
    return (found[0], written.types) if found else (wanted, newest.types)


def _value(step: _Step, message: Any) -> Any:
    try:
        if step.read is None:
            wrong()
        name = f"f{step.field.number}"
        if step.field.label != _Proto.LABEL_REPEATED and _has_presence(step.field) and not message.HasField(name):
            if not step.kind.is_optional:
                raise Refused(DeadLetterError.MISSING_FIELD)
            return step.kind.fallback
        return step.read(getattr(message, name))
    except Refused as refused:
        raise refused.inside(step.path) from None


def _has_presence(field: Any) -> bool:
    return bool(field.type == _Proto.TYPE_MESSAGE or field.HasField("oneof_index"))


def _reader(kind: Kind, field: Any, types: Types, newest: Any, newest_types: Types) -> ValueReader | None:
    """Returns how a field is read; None if its values cannot be of the declared type."""
    is_repeated, entry = field.label == _Proto.LABEL_REPEATED, types.entry(field)
    match kind:
        case Map():
            if entry is None or entry.field[0].type != _Proto.TYPE_STRING:
                return None
            other = newest_types.entry(newest)
            value = entry.field[1] if other is None else other.field[1]
            part = _one(kind.values, entry.field[1], types, value, newest_types)
            return None if part is None else _map_reader(entry, part)
        case Array():
            if not is_repeated or entry is not None:
                return None
            part = _one(kind.items, field, types, newest, newest_types)
            if part is None:
                return None
            read = array_reader(part.read)
            return ValueReader(lambda values: read(list(values)), part.inner)
        case _:
            return None if is_repeated else _one(kind, field, types, newest, newest_types)


def _one(kind: Kind, field: Any, types: Types, newest: Any, newest_types: Types) -> ValueReader | None:
    wrapped = types.wrapped(field)
    if wrapped is not None:
        part = _plain(kind, wrapped, types)
        if part is None:
            return None
        shape, read = Shape(), part.read
        shape.add(wrapped)
        return ValueReader(lambda message: read(message.f1), shape)
    if isinstance(kind, Record):
        written = types.message(field)
        if written is None:
            return None
        other = newest_types.message(newest)
        return record_reader(kind.fields, written, written if other is None else other, ".")
    return _plain(kind, field, types)


def _plain(kind: Kind, field: Any, types: Types) -> ValueReader | None:
    of, is_text = field.type, field.type == _Proto.TYPE_STRING
    found: Read | None = None
    match kind:
        case String():
            found = text_reader(kind) if is_text else None
        case Enum():
            if is_text:
                found = scalars.text_enum_reader(kind)
            elif field.type_name in types.enums:
                found = scalars.enum_reader(kind, types.enums[field.type_name])
        case Boolean():
            found = same if of == _Proto.TYPE_BOOL else None
        case Integer():
            found = scalars.integer_reader(kind) if of in (_WHOLE if kind.bits == 64 else _WHOLE_32) else None
        case Double():
            found = double if of in (_Proto.TYPE_FLOAT, _Proto.TYPE_DOUBLE) else None
        case Bytes():
            found = same if of == _Proto.TYPE_BYTES else None
        case Decimal():
            if kind.in_bytes:
                return None
            if is_text:
                return ValueReader(scalars.text_decimal_reader(kind))
            return _known(field, ".confluent.type.Decimal", scalars.decimal_reader(kind))
        case Date():
            return _known(field, ".google.type.Date", scalars.day)
        case Timestamp():
            if kind.unit is TimeUnit.ISO_8601:
                return _known(field, ".google.protobuf.Timestamp", scalars.time)
            unit = kind.unit.micros
            found = (lambda value: scalars.checked(value * unit)) if of in _WHOLE else None
        case Record() | Array() | Map():
            return None
        case _:
            assert_never(kind)
    return ValueReader(found) if found else None


_PARTS = {
    ".google.protobuf.Timestamp": {1: _Proto.TYPE_INT64, 2: _Proto.TYPE_INT32},
    ".google.type.Date": dict.fromkeys((1, 2, 3), _Proto.TYPE_INT32),
    ".confluent.type.Decimal": {1: _Proto.TYPE_BYTES, 3: _Proto.TYPE_INT32},
}


def _known(field: Any, name: str, read: Read) -> ValueReader | None:
    """Returns how a message is read as one value; None if it is another one."""
    if field.type_name != name:
        return None
    shape = Shape()
    for number, of in _PARTS[name].items():
        shape.add(_Proto(number=number, type=of, label=_Proto.LABEL_OPTIONAL))
    return ValueReader(read, shape)


def _map_reader(entry: Any, value: ValueReader) -> ValueReader:
    shape = Shape()
    shape.add(entry.field[0])
    shape.add(entry.field[1], value.inner)

    def read(entries: Any) -> dict[str, Any]:
        return map_of({each.f1: each.f2 for each in entries}, value.read)

    return ValueReader(read, shape)
