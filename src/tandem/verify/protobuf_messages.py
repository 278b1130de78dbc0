"""Makes Protobuf's own message classes for the declared fields of a schema.

The classes have the declared fields alone. Texts are bytes in them and enums are numbers, so that Protobuf's library
neither rejects nor changes a value. Maps are repeated entries, which are encoded alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

_Proto = descriptor_pb2.FieldDescriptorProto
_AS = {_Proto.TYPE_STRING: _Proto.TYPE_BYTES, _Proto.TYPE_ENUM: _Proto.TYPE_INT32}
_GROUP = 3


class Shape:
    """The declared fields of one message.

    Args:
        of: the message in the schema.
    """

    def __init__(self, of: Any = None) -> None:
        self._of = of
        self._fields: dict[int, tuple[Any, Shape | None]] = {}

    def add(self, field: Any, inner: Shape | None = None) -> None:
        """Adds a declared field."""
        self._fields[field.number] = field, inner

    def describe(self, into: Any, path: str, *, has_oneofs: bool) -> None:
        """Adds the fields to a ``DescriptorProto`` of the given full name.

        Without a ``oneof``, no field removes another one.
        """
        own = {each.number: each for each in self._of.field if _is_member(each)} if self._of is not None else {}
        used = {own[number].oneof_index for number in self._fields if number in own}
        # The other members of a `oneof` remove a declared one.
        members = {number: (each, None) for number, each in own.items() if each.oneof_index in used}
        oneofs = {index: number for number, index in enumerate(sorted(used) if has_oneofs else ())}
        for index in oneofs:
            into.oneof_decl.add(name=f"o{index}")
        for number, (field, inner) in {**members, **self._fields}.items():
            kind = _AS.get(field.type, field.type)
            added = into.field.add(name=f"f{number}", number=number, label=field.label, type=kind)
            if inner is not None:
                inner.describe(into.nested_type.add(name=f"M{number}"), f"{path}.M{number}", has_oneofs=has_oneofs)
                added.type_name = f"{path}.M{number}"
            elif kind == _Proto.TYPE_MESSAGE:
                added.type = _Proto.TYPE_BYTES
            if has_oneofs and number in members:
                added.oneof_index = oneofs[own[number].oneof_index]


def _is_member(field: Any) -> bool:
    # The compiler makes a `oneof` for each `optional` field.
    return bool(field.HasField("oneof_index") and not field.proto3_optional)


def decoder(shape: Shape) -> Callable[[bytes], Any]:
    """Returns a function that decodes a message; it raises ValueError."""
    of = _class(shape, has_oneofs=True)
    # It keeps the messages that another member of their `oneof` removes: they must be valid, too.
    with_removed = _class(shape, has_oneofs=False)

    def decode(data: bytes) -> Any:
        try:
            message, whole = of.FromString(data), with_removed.FromString(data)
        except DecodeError:
            raise ValueError("not a message") from None
        _check(whole)
        return message

    return decode


def _class(shape: Shape, *, has_oneofs: bool) -> Any:
    # Fields of proto2 have presence, all of them.
    file = descriptor_pb2.FileDescriptorProto(name="declared.proto", syntax="proto2")
    shape.describe(file.message_type.add(name="M"), ".M", has_oneofs=has_oneofs)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("M"))


def _check(message: Any) -> None:
    """Raises ValueError for a group, and for a known field of another wire type."""
    known = message.DESCRIPTOR.fields_by_number
    for each in UnknownFieldSet(message):
        if each.field_number in known or each.wire_type == _GROUP:
            raise ValueError("not a field of this type")
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                _check(inner)
