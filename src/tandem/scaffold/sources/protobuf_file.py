"""Reads a Protobuf file: the types of its records as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import Kind
from tandem.engine.declare.protobuf_descriptor import Descriptor, Field, Message
from tandem.engine.declare.protobuf_types import DATE, DECIMAL, TIMESTAMP, WRAPPERS, entry_of
from tandem.errors import UsageError
from tandem.scaffold.described import Described
from tandem.scaffold.sources.leaving_out import (
    CannotDeclareError,
    Parts,
    TooLargeError,
    first_of,
    note_left_out,
    record_of,
    too_large,
    usable,
)
from tandem.schema_registry.protobuf import descriptor_of

# The schema of a decimal has no precision.
_DECIMAL = FieldType.decimal(18, 2)
_PLAIN: dict[str, Kind] = {
    "bool": FieldType.BOOLEAN,
    "int32": FieldType.INTEGER_32,
    "sint32": FieldType.INTEGER_32,
    "sfixed32": FieldType.INTEGER_32,
    "float": FieldType.DOUBLE,
    "double": FieldType.DOUBLE,
    "string": FieldType.TEXT,
    "bytes": FieldType.BYTES,
}
_KNOWN: dict[str, Kind] = {TIMESTAMP: FieldType.TIMESTAMP, DATE: FieldType.DATE}


def described_by_protobuf(source: str, name: str, folder: Path, text: str) -> Described:
    """Returns what a Protobuf file says of a stream.

    The records are of the first message that no other message contains.

    Args:
        source: what the user called it.
        name: what the stream is to be called.
        folder: its folder; the files that it imports are looked up in there and in those above.
        text: the file's content.

    Raises:
        UsageError: it cannot be compiled, or has no message with a field that can be declared.
        EnvironmentNotReadyError: the compiler is not installed.
    """
    try:
        found = Descriptor.parse(source, descriptor_of(text, {}, (folder.resolve(), *folder.resolve().parents)))
        types = _ProtobufTypes(found)
        roots = _roots(found)
        fields = types.fields(roots[0], "") if roots else {}
    except TooLargeError:
        raise too_large(source) from None
    except ValueError as error:
        reason = str(error).removeprefix(f"{source}: ")
        hint = "correct it; imports are looked up in the file's folder and in the folders above"
        raise UsageError(f"{source}: {reason}", hint=hint) from None
    if not fields:
        raise UsageError(
            f"{source}: the schema has no field that a stream can declare",
            hint=first_of(types.notes) or "add a message with fields",
        )
    others = ", ".join(each.name for each in roots[1:])
    notes = [f"other messages are not declared: {others}"] if others else []
    return Described(source, name, fields, f"the Protobuf message {roots[0].name}", (*notes, *types.notes))


def _is_wrapped(field: Field) -> bool:
    """Returns whether a field has a wrapper, so that it may be absent."""
    return field.type_name in WRAPPERS and not field.is_repeated


def _roots(types: Descriptor) -> list[Message]:
    """Returns the file's messages that no other one contains; all if there is none."""
    own = [each for each in types.messages.values() if len(each.indexes) == 1]
    # A message that contains itself, or is inside one of its own parts, may be the outermost one.
    inside = {
        field.type_name
        for each in types.messages.values()
        for field in each.fields
        if not f"{each.name}.".startswith(f"{field.type_name}.")
    }
    return [each for each in own if each.name not in inside] or own


class _ProtobufTypes:
    """The types of one schema's fields."""

    def __init__(self, types: Descriptor) -> None:
        self.notes: list[str] = []
        self._types, self._parts = types, Parts()
        self._open: list[str] = []

    def fields(self, message: Message, outer: str) -> dict[str, Kind]:
        """Returns a message's fields; notes those that cannot be declared."""
        if message.name in self._open:
            raise CannotDeclareError(f"contains itself: {message.name}")
        self._open.append(message.name)
        found: dict[str, Kind] = {}
        own: Mapping[str, Field] = message.by_name
        for name in usable(own, self.notes):
            path = outer + name
            known = len(self.notes)
            try:
                kind = self._kind(own[name], path)
                found[name] = kind.optional() if own[name].is_optional or _is_wrapped(own[name]) else kind
            except CannotDeclareError as error:
                note_left_out(self.notes, path, error, known)
        self._open.pop()
        return found

    def _kind(self, field: Field, path: str) -> Kind:
        self._parts.count()
        entry = entry_of(field, self._types)
        if entry is not None:
            if entry.by_number[1].type != "string":
                raise CannotDeclareError("has keys that are not strings")
            return FieldType.map(self._one(entry.by_number[2], f"{path}[*]"))
        return FieldType.array(self._one(field, f"{path}[]")) if field.is_repeated else self._one(field, path)

    def _one(self, field: Field, path: str) -> Kind:
        name = field.type_name
        if name == DECIMAL:
            self.notes.append(f"{path}: declared as {_DECIMAL}, because the schema has no precision")
            return _DECIMAL
        if name in _KNOWN:
            return _KNOWN[name]
        if field.type == "enum" and name in self._types.enums:
            symbols: dict[int, str] = {}
            for symbol, number in self._types.enums[name].items():
                # Of several names of a number, the first one is declared.
                symbols.setdefault(number, symbol)
            return FieldType.enum(*symbols.values())
        if field.type == "message" and name not in WRAPPERS and name in self._types.messages:
            return record_of(self.fields(self._types.messages[name], f"{path}."))
        scalar = WRAPPERS.get(name, field.type)
        if scalar in ("enum", "message"):
            raise CannotDeclareError(f"is of a type that is not proto3: {name}")
        return _PLAIN.get(scalar, FieldType.INTEGER)
