"""Any Protobuf message, read by any declaration: the engine's decoder and the verification say the same of it.

Set ``TYPE_EXAMPLES`` to the number of records to try.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandem.engine.declare.kind import Array, Decimal, Double, Enum, Integer, Kind, Map, Record, String
from tandem.engine.declare.wire_format import Frozen
from tandem.engine.read.protobuf_records import ProtobufRecords
from tandem.pipeline import FieldType, Protobuf, Stream
from tandem.schema_registry.protobuf import descriptor_of
from tandem.verify.reference import Accepted, Dead, Validator
from tests.protobuf import NOON_MS, plain

RECORDS = 60
DECLARATIONS = max(1, int(os.environ.get("TYPE_EXAMPLES", "3000")) // RECORDS)
SCALARS: tuple[Kind, ...] = (
    FieldType.STRING,
    FieldType.TEXT,
    FieldType.BOOLEAN,
    FieldType.INTEGER,
    FieldType.INTEGER_32,
    FieldType.DOUBLE,
    FieldType.decimal(5, 2),
    FieldType.decimal(34, 4),
    FieldType.decimal(3, 0),
    FieldType.DATE,
    FieldType.TIMESTAMP,
    FieldType.EPOCH_MILLISECONDS,
    FieldType.EPOCH_SECONDS,
    FieldType.BYTES,
    FieldType.enum("NEW", "PAID"),
)
OWN: dict[str, Kind] = {"id": FieldType.TEXT, "at": FieldType.TIMESTAMP}
DEFAULTS = {str(FieldType.INTEGER): 7, str(FieldType.TEXT): "none", "decimal(5,2)": "1.5", "array": [], "map": {}}
F = descriptor_pb2.FieldDescriptorProto
WHOLE_32 = (F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32)
WHOLE = (*WHOLE_32, F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64, F.TYPE_UINT32, F.TYPE_FIXED32, F.TYPE_UINT64)
INTEGERS = (*WHOLE, F.TYPE_FIXED64)
TEXTS = ("", "x", "x", "NEW", "PAID", "žluť 🐎", "a\0b", "1.5", "-0.00", "12345")
NUMBERS = (
    0,
    1,
    -1,
    5,
    719_162,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    NOON_MS,
    253_402_300_800,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
)
FLOATS = (0.0, -0.0, 1.5, 0.1, float("inf"), float("nan"))
WRAPPERS = {
    "StringValue": (F.TYPE_STRING,),
    "Int64Value": (F.TYPE_INT64,),
    "UInt64Value": (F.TYPE_UINT64,),
    "Int32Value": (F.TYPE_INT32,),
    "BoolValue": (F.TYPE_BOOL,),
    "DoubleValue": (F.TYPE_DOUBLE,),
    "FloatValue": (F.TYPE_FLOAT,),
    "BytesValue": (F.TYPE_BYTES,),
}
# Fields that no schema has, of each wire type; the last one is a group.
UNKNOWN = (b"\xf8\x01\x05", b"\xfa\x01\x01a", b"\xfd\x01abcd", b"\xf9\x01abcdefgh", b"\xfb\x01\xfc\x01")
IMPORTS = "\n".join(
    f'import "{name}.proto";'
    for name in (
        "google/protobuf/timestamp",
        "google/protobuf/wrappers",
        "google/type/date",
        "confluent/type/decimal",
    )
)
KNOWN = json.loads(descriptor_of(f'syntax = "proto3"; {IMPORTS}', {}))["file"][:-1]


def one_of(kind: Kind) -> st.SearchStrategy[Kind]:
    absent = [kind, kind, kind.optional()]
    if str(kind) in DEFAULTS:
        absent.append(kind.default(DEFAULTS[str(kind)]))
    return st.sampled_from(absent)


def fields_of(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[dict[str, Kind]]:
    return st.dictionaries(st.sampled_from(("a", "b", "_c", "D1")), inner.flatmap(one_of), min_size=1, max_size=4)


def containers(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    single = inner.filter(lambda kind: not isinstance(kind, Array | Map))
    return (
        st.builds(FieldType.array, single)
        | st.builds(FieldType.map, single)
        | st.builds(FieldType.record, fields_of(inner))
    )


kinds = st.recursive(st.sampled_from(SCALARS), containers, max_leaves=6)


class Schemas:
    """Makes up schemas in which a declaration's fields can be, and older ones of which some cannot be read."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def newest(self, fields: Mapping[str, Kind]) -> Any:
        message = descriptor_pb2.DescriptorProto(name="Sale")
        self._fill(message, {**fields, "undeclared": FieldType.TEXT}, ".s.Sale")
        return message

    def older(self, newest: Any) -> Any:
        """Returns a message of which some fields are missing or have other names, numbers or types."""
        message = descriptor_pb2.DescriptorProto()
        message.CopyFrom(newest)
        self._change(message)
        return message

    def _change(self, message: Any) -> None:
        for inner in message.nested_type:
            if not inner.options.map_entry and self._chance.random() < 0.5:
                self._change(inner)
        kept = []
        for each in message.field:
            match self._chance.randrange(9):
                case 0 if not each.HasField("oneof_index"):
                    continue
                case 1:
                    each.name = f"{each.name}_old"
                case 2:
                    each.number += 20
                case 3 if not each.HasField("oneof_index"):
                    each.type = self._chance.choice((F.TYPE_STRING, F.TYPE_INT32, F.TYPE_BYTES))
                    each.ClearField("type_name")
            each.ClearField("json_name")
            kept.append(each)
        del message.field[:]
        message.field.extend(kept)

    def _fill(self, message: Any, fields: Mapping[str, Kind], path: str) -> None:
        numbers = self._chance.sample(range(1, 20), len(fields))
        members = []
        for (name, kind), number in zip(fields.items(), numbers, strict=True):
            field = message.field.add(name=name, number=number, label=F.LABEL_OPTIONAL)
            self._type(message, field, kind, path)
            if field.label == F.LABEL_OPTIONAL and self._chance.random() < 0.4:
                members.append(field)
        if len(members) > 1 and self._chance.random() < 0.6:
            message.oneof_decl.add(name="either")
            for field in members:
                field.oneof_index = 0
        else:
            for field in members:
                field.oneof_index, field.proto3_optional = len(message.oneof_decl), True
                message.oneof_decl.add(name=f"_{field.name}_")

    def _type(self, message: Any, field: Any, kind: Kind, path: str) -> None:
        either = self._chance.choice
        match kind:
            case Array():
                self._type(message, field, kind.items, path)
                field.label = F.LABEL_REPEATED
                if field.type not in (F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_MESSAGE):
                    field.options.packed = either((True, False))
            case Map():
                entry = message.nested_type.add(name=f"{field.name.title().replace('_', '')}{field.number}Entry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, type=F.TYPE_STRING, label=F.LABEL_OPTIONAL)
                value = entry.field.add(name="value", number=2, label=F.LABEL_OPTIONAL)
                self._type(entry, value, kind.values, f"{path}.{entry.name}")
                # The content of an entry cannot be inside the entry.
                for inner in entry.nested_type:
                    inner.name = f"{entry.name}{inner.name}"
                    message.nested_type.add().CopyFrom(inner)
                    value.type_name = f"{path}.{inner.name}"
                    _rename(message.nested_type[-1], value.type_name)
                del entry.nested_type[:]
                field.type, field.label, field.type_name = F.TYPE_MESSAGE, F.LABEL_REPEATED, f"{path}.{entry.name}"
            case Record():
                inner = message.nested_type.add(name=f"M{field.number}")
                field.type, field.type_name = F.TYPE_MESSAGE, f"{path}.{inner.name}"
                self._fill(inner, kind.fields, field.type_name)
            case _:
                self._scalar(field, kind)

    def _scalar(self, field: Any, kind: Kind) -> None:
        either = self._chance.choice
        match kind:
            case String():
                field.type = F.TYPE_STRING
            case Enum():
                field.type = either((F.TYPE_STRING, F.TYPE_ENUM))
                if field.type == F.TYPE_ENUM:
                    field.type_name = ".s.State"
            case Integer():
                field.type = either(INTEGERS if kind.bits == 64 else WHOLE_32)
            case Double():
                field.type = either((F.TYPE_FLOAT, F.TYPE_DOUBLE))
            case Decimal():
                field.type = F.TYPE_STRING
                if self._chance.random() < 0.7:
                    field.type, field.type_name = F.TYPE_MESSAGE, ".confluent.type.Decimal"
            case _:
                named = {str(FieldType.TIMESTAMP): ".google.protobuf.Timestamp", "date": ".google.type.Date"}
                if str(kind) in named:
                    field.type, field.type_name = F.TYPE_MESSAGE, named[str(kind)]
                else:
                    plain_types = {"boolean": (F.TYPE_BOOL,), "bytes": (F.TYPE_BYTES,)}
                    field.type = either(plain_types.get(str(kind), INTEGERS))
        wrappers = [name for name, types in WRAPPERS.items() if field.type in types]
        if wrappers and self._chance.random() < 0.3:
            field.type, field.type_name = F.TYPE_MESSAGE, f".google.protobuf.{wrappers[0]}"


def _rename(message: Any, path: str) -> None:
    """Corrects the full names inside a message that has moved."""
    for each in message.field:
        last = each.type_name.rpartition(".")[2]
        if last in {inner.name for inner in message.nested_type}:
            each.type_name = f"{path}.{last}"
    for inner in message.nested_type:
        _rename(inner, f"{path}.{inner.name}")


def file_of(message: Any) -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="s.proto", package="s", syntax="proto3")
    file.dependency.extend(each["name"] for each in KNOWN)
    file.message_type.add().CopyFrom(message)
    enum = file.enum_type.add(name="State")
    for number, name in enumerate(("NONE", "NEW", "PAID", "GONE")):
        enum.value.add(name=name, number=number)
    found: dict[str, Any] = json_format.MessageToDict(file)
    return found


def class_of(descriptor: str) -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in json_format.Parse(descriptor, descriptor_pb2.FileDescriptorSet()).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("s.Sale"))


def filled(message: Any, chance: Random, depth: int = 0) -> Any:
    """Sets fields to values that are often usual, and sometimes at a limit of the declared types."""
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp" and chance.random() < 0.8:
        message.seconds, message.nanos = NOON_MS // 1000, chance.choice((0, 1, 999_999_999))
        return message
    if name == "google.type.Date" and chance.random() < 0.8:
        message.year, message.month, message.day = 2026, 11, 29
        return message
    if name == "confluent.type.Decimal" and chance.random() < 0.8:
        number = chance.choice((0, -5, 12, 99_999, 10**5, 10**33, -(10**34)))
        message.value, message.scale = number.to_bytes(15, "big", signed=True), chance.choice((0, 1, 2, 2, 4, 5))
        return message
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.9 or field.name.removesuffix("_old") in OWN:
            _set(message, field, chance, depth)
    return message


def _set(message: Any, field: Any, chance: Random, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for _ in range(chance.randrange(3)):
            entries, value = getattr(message, field.name), field.message_type.fields_by_name["value"]
            key = chance.choice(TEXTS)
            if value.message_type is not None:
                filled(entries[key], chance, depth + 1)
            else:
                entries[key] = value_of(value, chance)
    elif field.is_repeated:
        for _ in range(chance.randrange(3)):
            items = getattr(message, field.name)
            if field.message_type is not None:
                filled(items.add(), chance, depth + 1)
            else:
                items.append(value_of(field, chance))
    elif field.message_type is not None:
        getattr(message, field.name).SetInParent()
        filled(getattr(message, field.name), chance, depth + 1)
    else:
        setattr(message, field.name, value_of(field, chance))


def value_of(field: Any, chance: Random) -> Any:
    match field.type:
        case F.TYPE_STRING:
            return chance.choice(TEXTS)
        case F.TYPE_BYTES:
            return chance.randbytes(chance.randrange(3))
        case F.TYPE_BOOL:
            return chance.random() < 0.5
        case F.TYPE_FLOAT | F.TYPE_DOUBLE:
            return chance.choice(FLOATS)
        case F.TYPE_ENUM:
            return chance.choice((0, 1, 1, 2, 2, 3, 9, -1))
    bits = 32 if "32" in F.Type.Name(field.type) else 64
    is_unsigned = "UINT" in F.Type.Name(field.type) or field.type in (F.TYPE_FIXED32, F.TYPE_FIXED64)
    low = 0 if is_unsigned else -(2 ** (bits - 1))
    high = low + 2**bits
    return chance.choice([each for each in NUMBERS if low <= each < high])


def damaged(value: bytes, chance: Random) -> bytes:
    at = chance.randrange(6, len(value) + 1)
    match chance.randrange(12):
        case 0:
            return value[:at] + chance.randbytes(1) + value[at + 1 :]
        case 1:
            return value[:at] + chance.randbytes(chance.randrange(1, 4)) + value[at:]
        case 2:
            return value[:at]
        case 3 | 4:
            return value + value[6:]
        case 5:
            return value + chance.choice(
                (b"\xf8\x01\x05", b"\xfa\x01\x01a", b"\xfd\x01abcd", b"\xf9\x01abcdefgh", b"\xfb\x01")
            )
    return value


COUNTED = {"records": 0, "accepted": 0}


# The same examples every time; a failing one is shown as it is, not made smaller.
@settings(max_examples=DECLARATIONS, suppress_health_check=list(HealthCheck))
@given(fields=fields_of(kinds), seed=st.integers(0, 2**32))
def test_any_message_by_any_declaration_is_read_alike(fields: dict[str, Kind], seed: int) -> None:
    chance = Random(seed)
    declared, schemas = {**OWN, **fields}, Schemas(chance)
    newest = schemas.newest(declared)
    descriptors = [json.dumps({"file": [*KNOWN, file_of(each)]}) for each in (schemas.older(newest), newest)]
    protobuf = Protobuf.parse_registered("s", [Frozen(1, 7, descriptors[0]), Frozen(2, 5, descriptors[1])])
    stream = Stream("s", "s", declared, "at", "id", format=protobuf)
    decode, validate = ProtobufRecords(declared, protobuf), Validator(stream, max_clock_skew_seconds=10**12)
    written = [(version.headers[0], class_of(version.text)) for version in protobuf.versions]
    for _ in range(RECORDS):
        header, of = chance.choice(written)
        value = damaged(header + filled(of(), chance).SerializeToString(), chance)
        found, expected = plain(declared, decode(value)), validate(None, value, NOON_MS)
        COUNTED["records"] += 1
        if isinstance(expected, Accepted):
            COUNTED["accepted"] += 1
            assert repr(found) == repr(expected.fields), (value, newest)
        else:
            assert isinstance(expected, Dead)
            named = isinstance(found, tuple) and (found[0], found[1].partition(": not of type")[0])
            assert named, (found, expected, value, newest)
            assert named[0] == expected.error, (found, expected, value, newest)
            assert named[1] == expected.detail or not expected.detail, (found, expected, value, newest)


def test_the_examples_are_of_both_sorts() -> None:
    """The negative control of the property: without events, or without dead letters, it would show little."""
    if not COUNTED["records"]:
        pytest.skip("the property was not tried")
    assert 0.1 < COUNTED["accepted"] / COUNTED["records"] < 0.9, COUNTED
