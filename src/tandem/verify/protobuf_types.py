"""Looks up the types of a Protobuf schema by Protobuf's own library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, json_format

_Proto = descriptor_pb2.FieldDescriptorProto
_WRAPPED = {
    "DoubleValue": _Proto.TYPE_DOUBLE,
    "FloatValue": _Proto.TYPE_FLOAT,
    "Int64Value": _Proto.TYPE_INT64,
    "UInt64Value": _Proto.TYPE_UINT64,
    "Int32Value": _Proto.TYPE_INT32,
    "UInt32Value": _Proto.TYPE_UINT32,
    "BoolValue": _Proto.TYPE_BOOL,
    "StringValue": _Proto.TYPE_STRING,
    "BytesValue": _Proto.TYPE_BYTES,
}


class Of(NamedTuple):
    """A message and the types of its schema."""

    message: Any
    types: Types


class Types:
    """The types of one schema.

    Args:
        text: the frozen descriptor.

    Attributes:
        messages: each ``DescriptorProto`` by its full name with a leading dot.
        enums: the names of each enum's numbers, by its full name with a leading dot.
    """

    def __init__(self, text: str) -> None:
        files = json_format.Parse(text, descriptor_pb2.FileDescriptorSet()).file
        self.messages: dict[str, Any] = {}
        self.enums: dict[str, dict[int, list[str]]] = {}
        for file in files:
            if file.syntax == "proto3":
                prefix = f".{file.package}" if file.package else ""
                self._add_enums(prefix, file.enum_type)
                for name, message in _nested(prefix, file.message_type):
                    self.messages[name] = message
                    self._add_enums(name, message.enum_type)

    def message(self, field: Any) -> Of | None:
        """Returns the message of a field; None if it has none."""
        found = self.messages.get(field.type_name)
        return None if found is None else Of(found, self)

    def entry(self, field: Any) -> Any:
        """Returns the entries' message of a map; None if the field is no map."""
        found = self.messages.get(field.type_name)
        return found if found is not None and found.options.map_entry else None

    def wrapped(self, field: Any) -> Any:
        """Returns the field inside of a wrapper; None if the field has none."""
        of = _WRAPPED.get(field.type_name.removeprefix(".google.protobuf."))
        return of and _Proto(number=1, type=of, label=_Proto.LABEL_OPTIONAL)

    def _add_enums(self, prefix: str, enums: Any) -> None:
        for enum in enums:
            names: dict[int, list[str]] = {}
            for each in enum.value:
                names.setdefault(each.number, []).append(each.name)
            self.enums[f"{prefix}.{enum.name}"] = names


def _nested(prefix: str, messages: Any) -> Iterator[tuple[str, Any]]:
    for message in messages:
        name = f"{prefix}.{message.name}"
        yield name, message
        yield from _nested(name, message.nested_type)
