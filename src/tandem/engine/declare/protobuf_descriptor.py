"""Reads the descriptor of a Protobuf schema, without Spark.

It needs the standard library alone. A descriptor is Protobuf's own ``FileDescriptorSet`` in Protobuf's JSON form: the
imported files first, the schema's file last. ``tandem schemas pull`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Field:
    """A field of a message.

    Attributes:
        name: its name.
        number: its number.
        type: its type in the schema, such as ``sint32``, ``enum`` or ``message``.
        type_name: the full name of the message or of the enum.
        is_repeated: whether it is repeated; a map is, too.
        has_presence: whether a record shows if it has the field.
        is_optional: whether the schema says so: by ``optional``, or as a member of a ``oneof``.
        oneof: the name of the ``oneof`` that it is a member of; empty if it is in none.
    """

    name: str
    number: int
    type: str
    type_name: str = ""
    is_repeated: bool = False
    has_presence: bool = False
    is_optional: bool = False
    oneof: str = ""


@dataclass(frozen=True)
class Message:
    """A type of message.

    Attributes:
        name: its full name.
        fields: its fields.
        is_map_entry: whether it is an entry of a map: a key with number 1 and a value with number 2.
        indexes: its place in the schema's file; empty if it is imported or an entry of a map.
        counted: the same, if the entries of maps count as messages.
    """

    name: str
    fields: tuple[Field, ...]
    is_map_entry: bool = False
    indexes: tuple[int, ...] = ()
    counted: tuple[int, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """Its fields by name."""
        return {each.name: each for each in self.fields}

    @cached_property
    def by_number(self) -> Mapping[int, Field]:
        """Its fields by number."""
        return {each.number: each for each in self.fields}

    def siblings(self, field: Field) -> tuple[Field, ...]:
        """Returns the other members of a field's ``oneof``."""
        if not field.oneof:
            return ()
        return tuple(each for each in self.fields if each.oneof == field.oneof and each.number != field.number)


@dataclass(frozen=True)
class Descriptor:
    """The types of a schema and of the files that it imports.

    Attributes:
        messages: the messages by full name. The first one of the schema's file is the first with ``indexes``.
        enums: the numbers of each enum's names, by its full name; several names may have the same number.
    """

    messages: Mapping[str, Message]
    enums: Mapping[str, Mapping[str, int]]

    @classmethod
    def parse(cls, place: str, text: str) -> Descriptor:
        """Returns a descriptor, given its file.

        Types of imported files that are not proto3 are left out, so no declared field can have them.

        Raises:
            ValueError: it is no descriptor of a proto3 schema.
        """
        try:
            files = json.loads(text)["file"]
            syntax = files[-1].get("syntax", "proto2")
            messages: dict[str, Message] = {}
            enums: dict[str, Mapping[str, int]] = {}
            for each in files:
                if each.get("syntax") != "proto3":
                    continue
                inner = (_joined(each.get("package", "")), each, _TOP if each is files[-1] else None)
                for name, content, where in _scopes(*inner):
                    enums |= {f"{name}{enum['name']}": _numbers(enum) for enum in content.get("enumType", ())}
                    if content is not each:
                        messages[name[:-1]] = _message(name[:-1], content, where or _TOP)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            raise ValueError(f"{place}: not the descriptor of a Protobuf schema") from None
        if syntax != "proto3":
            raise ValueError(f"{place}: not proto3, but {syntax}, which is not supported")
        return cls(messages, enums)

    @property
    def first(self) -> Message | None:
        """The first message of the schema's file; None if it has none."""
        return next((each for each in self.messages.values() if each.indexes), None)


class _Place(NamedTuple):
    """Where a message is in its file: see ``Message``."""

    indexes: tuple[int, ...] = ()
    counted: tuple[int, ...] = ()


_TOP = _Place()


def _joined(package: str) -> str:
    return f"{package}." if package else ""


def _scopes(
    prefix: str, content: Mapping[str, Any], place: _Place | None
) -> Iterator[tuple[str, Mapping[str, Any], _Place | None]]:
    """Yields a file or message, and all messages inside.

    Each is between the prefix of the names inside and its place.
    """
    yield prefix, content, place
    index = 0
    for counted, each in enumerate(content.get("nestedType" if "messageType" not in content else "messageType", ())):
        is_entry = bool(each.get("options", {}).get("mapEntry"))
        inner = None if place is None or is_entry else _Place((*place.indexes, index), (*place.counted, counted))
        yield from _scopes(f"{prefix}{each['name']}.", each, inner)
        index += not is_entry


def _message(name: str, content: Mapping[str, Any], place: _Place) -> Message:
    oneofs = [each["name"] for each in content.get("oneofDecl", ())]
    fields = tuple(_field(each, oneofs) for each in content.get("field", ()))
    return Message(name, fields, bool(content.get("options", {}).get("mapEntry")), *place)


def _field(content: Mapping[str, Any], oneofs: list[str]) -> Field:
    kind = content["type"].removeprefix("TYPE_").lower()
    is_repeated = content.get("label") == "LABEL_REPEATED"
    is_member = "oneofIndex" in content
    # The compiler makes a `oneof` for each `optional` field.
    oneof = oneofs[content["oneofIndex"]] if is_member and not content.get("proto3Optional") else ""
    has_presence = not is_repeated and (is_member or kind == "message")
    type_name = content.get("typeName", "").removeprefix(".")
    return Field(content["name"], int(content["number"]), kind, type_name, is_repeated, has_presence, is_member, oneof)


def _numbers(enum: Mapping[str, Any]) -> Mapping[str, int]:
    return {each["name"]: each.get("number", 0) for each in enum["value"]}
