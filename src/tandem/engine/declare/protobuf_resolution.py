"""Finds the declared fields in the records of a Protobuf schema, without Spark."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tandem.engine.declare.kind import Array, Kind, Map, Record
from tandem.engine.declare.protobuf_descriptor import Descriptor, Field, Message
from tandem.engine.declare.protobuf_types import entry_of, fits


class Scope(NamedTuple):
    """A message and the schema that it is in."""

    message: Message
    types: Descriptor


@dataclasses.dataclass(frozen=True)
class ProtobufSource:
    """Where a declared field's value is in the records of a schema.

    Attributes:
        kind: the declared type.
        field: the schema's field; None if the newest schema does not have it.
        is_readable: whether values of the field can be of the declared type.
        symbols: the numbers of an enum's names.
        fields: the sources of a record's fields.
        inner: the source of an array's items, or of a map's values.
        siblings: the other members of the field's ``oneof``.
    """

    kind: Kind
    field: Field | None
    is_readable: bool = False
    symbols: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fields: Mapping[str, ProtobufSource] = dataclasses.field(default_factory=dict)
    inner: ProtobufSource | None = None
    siblings: tuple[Field, ...] = ()


def sources(fields: Mapping[str, Kind], written: Scope, newest: Scope) -> Mapping[str, ProtobufSource]:
    """Returns the sources of declared fields in the records of one schema.

    A field is what has its name in the newest schema. In another schema it is the field with the same number, else that
    with the same name and a number that the newest schema does not have. A schema that has neither is read as if it had
    the field of the newest one.

    Args:
        fields: the declared fields.
        written: the message of the records, or of a message inside them.
        newest: the same in the newest schema.
    """
    return {name: _source(kind, newest.message.by_name.get(name), written, newest) for name, kind in fields.items()}


def _source(kind: Kind, newest: Field | None, written: Scope, current: Scope) -> ProtobufSource:
    if newest is None:
        return ProtobufSource(kind, None)
    own = written.message.by_number.get(newest.number)
    if own is None:
        own = written.message.by_name.get(newest.name)
    if own is None or (own.number != newest.number and own.number in current.message.by_number):
        return _read(kind, newest, current.types, newest, current.types)
    found = _read(kind, own, written.types, newest, current.types)
    return dataclasses.replace(found, siblings=written.message.siblings(own))


def _read(kind: Kind, own: Field, types: Descriptor, newest: Field, newest_types: Descriptor) -> ProtobufSource:
    if not fits(kind, own, types):
        return ProtobufSource(kind, own)
    inner, fields = None, {}
    match kind:
        case Array():
            inner = _read(kind.items, _single(own), types, _single(newest), newest_types)
        case Map():
            value, other = _value(own, types), _value(newest, newest_types)
            inner = _read(kind.values, value or own, types, other or value or own, newest_types)
        case Record():
            written = Scope(types.messages[own.type_name], types)
            other_message = newest_types.messages.get(newest.type_name)
            current = written if other_message is None else Scope(other_message, newest_types)
            fields = dict(sources(kind.fields, written, current))
    return ProtobufSource(kind, own, True, types.enums.get(own.type_name, {}), fields, inner)


def _single(own: Field) -> Field:
    return dataclasses.replace(own, is_repeated=False)


def _value(own: Field, types: Descriptor) -> Field | None:
    entry = entry_of(own, types)
    return None if entry is None else entry.by_number[2]


def problems(found: Mapping[str, ProtobufSource], outer: str = "") -> Iterator[tuple[str, ProtobufSource]]:
    """Yields the paths and the sources of the fields that cannot be read."""
    for name, source in found.items():
        path = outer + name
        if not source.is_readable:
            yield path, source
        yield from problems(source.fields, f"{path}.")
        if source.inner is not None:
            yield from problems({"[]": source.inner}, path)
