"""Protobuf without Spark: what a declaration must be, what both decoders make of bytes, and what producers send."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from decimal import Decimal as Exact
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, json_format

from tandem.engine.declare.kind import Kind
from tandem.engine.declare.protobuf_schema import headers_of
from tandem.engine.declare.wire_format import Frozen, prefix_of
from tandem.engine.read.protobuf_records import ProtobufRecords
from tandem.pipeline import FieldType, Protobuf, RecordPart, Stream
from tandem.producer.protobuf_encoder import ProtobufEncoder, ProtobufRecordEncoder, message_class
from tandem.schema_registry.protobuf import descriptor_of
from tandem.verify.reference import Accepted, Dead, Validator
from tests.protobuf import (
    DEAD,
    DECLARED,
    FROZEN,
    HEADER,
    IDS,
    NEW,
    NOON_MS,
    OLD,
    PAID,
    SALE,
    SALES,
    SALES_PROTOBUF,
    SECOND,
    TAIL,
    UNUSUAL,
    plain,
    sale,
    wrote,
)

VALIDATE = Validator(SALES, max_clock_skew_seconds=300)
DECODE = ProtobufRecords(DECLARED, SALES_PROTOBUF)


def both(value: bytes, stream: Stream = SALES) -> Any:
    """Returns what the two decoders make of a value; they must agree."""
    assert isinstance(stream.format, Protobuf)
    found = plain(stream.fields, ProtobufRecords(stream.fields, stream.format)(value))
    expected = Validator(stream, max_clock_skew_seconds=300)(None, value, NOON_MS)
    if isinstance(expected, Accepted):
        assert found == expected.fields
        assert repr(found) == repr(expected.fields)
        return found
    assert isinstance(expected, Dead)
    assert found[0] == expected.error
    assert (
        not expected.detail or (found[1] or "").partition(":")[0] == expected.detail or "schema id" in expected.detail
    )
    return str(expected.error), expected.detail


def test_a_record_of_all_types() -> None:
    expected = {**SALE, "at": NOON_MS * 1000, "time": (NOON_MS + 1) * 1000}
    assert both(sale()) == expected


def test_a_record_of_an_older_schema_has_fields_by_number() -> None:
    encode = ProtobufEncoder(SALES_PROTOBUF, OLD, SALES_PROTOBUF.sources(OLD, DECLARED))
    items = [{"sku": "x", "price": Exact("12.30")}]
    absent = {"time": None, "tags": {}, "day": None, "note": None, "rate": None, "coupon": None, "deltas": []}
    assert both(encode({"id": "s", "at": NOON_MS, "items": items})) == {
        **dict.fromkeys(DECLARED),
        **absent,
        "id": "s",
        "at": NOON_MS * 1000,
        "items": [{**items[0], "size": None}],
        "serial": 0,
        "raw": b"",
    }


def test_a_field_of_another_type_in_an_older_schema_is_rejected() -> None:
    stream = replace(SALES, fields=PAID)
    encode = ProtobufEncoder(SALES_PROTOBUF, OLD, SALES_PROTOBUF.sources(OLD, PAID))
    assert both(encode({"id": "s", "at": NOON_MS}), stream) == ("wrong_type", "paid")
    assert both(sale(), stream)["paid"] is False


def test_absent_fields_have_protobufs_defaults_or_are_missing() -> None:
    value = HEADER + wrote("shop.Sale", id="s", at=NOON_MS)
    found = both(value)
    assert (found["serial"], found["raw"], found["items"], found["tags"]) == (0, b"", [], {})
    assert (found["time"], found["note"], found["rate"], found["coupon"]) == (None, None, None, None)
    required: dict[str, Kind] = {**PAID, "note": FieldType.TEXT}
    assert both(value, replace(SALES, fields=required)) == ("missing_field", "note")
    assert both(HEADER, SALES) == ("empty_field", "id")
    defaults: dict[str, Kind] = {**PAID, "note": FieldType.TEXT.default("none")}
    assert both(value, replace(SALES, fields=defaults))["note"] == "none"


@pytest.mark.parametrize(("value", "error", "path"), DEAD.values(), ids=DEAD)
def test_a_malformed_record_is_rejected_with_its_path(value: bytes, error: str, path: str) -> None:
    assert both(value) == (error, path)


@pytest.mark.parametrize(("more", "changes"), UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_record_is_read(more: bytes, changes: dict[str, Any]) -> None:
    base = both(TAIL)
    assert both(TAIL + more) == {**base, **changes}


def test_the_first_message_has_two_headers() -> None:
    protobuf = Protobuf.parse_registered("others", [Frozen(1, 5, descriptor_of(SECOND, {}))])
    assert protobuf.message == "shop.Other"
    stream = Stream("others", "o", {"id": FieldType.STRING}, RecordPart.TIMESTAMP, "id", format=protobuf)
    assert protobuf.newest.headers == (prefix_of(5) + b"\x00", prefix_of(5) + b"\x02\x00")
    decode = ProtobufRecords(stream.fields, protobuf)
    assert [decode(each + b"\x0a\x01x").fields for each in protobuf.newest.headers] == [("x",), ("x",)]


def test_the_entries_of_maps_may_count_as_messages() -> None:
    inner = "map<string, string> m = 1; message B { message C {} } message D {} map<string, string> n = 2; message F {}"
    text = f'syntax = "proto3"; message A {{ {inner} }} message E {{}}'
    frozen = [Frozen(1, 5, descriptor_of(text, {}))]
    found = Protobuf.parse_registered("s", frozen).newest
    messages = {name: each for name, each in found.types.messages.items() if each.indexes}
    assert {name: each.indexes for name, each in messages.items()} == {
        "A": (0,),
        "A.B": (0, 0),
        "A.B.C": (0, 0, 0),
        "A.D": (0, 1),
        "A.F": (0, 2),
        "E": (1,),
    }
    # Confluent's serializer for Python counts them.
    client, context = SchemaRegistryClient.new_client({"url": "mock://"}), SerializationContext("t", MessageField.VALUE)
    for name, each in messages.items():
        of = message_class(found, name)
        assert (ProtobufSerializer(of, client)(of(), context) or b"")[5:] == headers_of(each.counted)[0]
    assert messages["A.F"].counted == (0, 4)
    last, first = (Protobuf.parse_registered("s", frozen, name).newest.headers for name in ("A.F", "A.B"))
    assert last == tuple(prefix_of(5) + headers_of(place)[0] for place in ((0, 2), (0, 4)))
    # The negative control: with the entries, A.B would have the place of A.D.
    assert messages["A.B"].counted == messages["A.D"].indexes
    assert first == (prefix_of(5) + headers_of((0, 0))[0],)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"ids": FieldType.STRING}, "shop.Sale has no field 'ids'"),
        ({"serial": FieldType.INTEGER_32}, "field 'serial' is declared as 32-bit integer, which needs an int32"),
        ({"paid": FieldType.STRING}, "field 'paid' is declared as string, which needs a string"),
        ({"at": FieldType.TIMESTAMP}, "which needs a google.protobuf.Timestamp"),
        ({"day": FieldType.TEXT}, "which needs a string"),
        ({"time": FieldType.EPOCH_SECONDS}, "which needs an integer"),
        ({"id": FieldType.array(FieldType.STRING)}, "which needs a repeated field; each item is a string"),
        ({"deltas": FieldType.INTEGER_32}, "field 'deltas' is declared as 32-bit integer"),
        ({"tags": FieldType.map(FieldType.INTEGER)}, "a map with strings as keys; each value is an integer"),
        ({"tags": FieldType.array(FieldType.STRING)}, "which needs a repeated field"),
        ({"items": FieldType.array(FieldType.record({"x": FieldType.TEXT}))}, "has no field 'items\\[\\].x'"),
        ({"coupon": FieldType.record({"code": FieldType.BYTES})}, "field 'coupon.code' is declared as bytes"),
        ({"raw": FieldType.decimal_bytes(4, 2)}, "which needs FieldType.decimal"),
    ],
)
def test_a_declaration_that_the_schema_contradicts_is_refused(fields: dict[str, Kind], why: str) -> None:
    with pytest.raises(ValueError, match=rf"schemas/sales-value\.v2\.id101\.descriptor\.json: .*{why}"):
        replace(SALES, fields={**PAID, **fields}, event_time=RecordPart.TIMESTAMP, identity=RecordPart.KEY)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('syntax = "proto2"; message A {}', "not proto3"),
        ('syntax = "proto3";', "has no message"),
        ('syntax = "proto3"; enum E { A = 0; }', "has no message"),
    ],
)
def test_a_schema_that_no_job_can_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Protobuf.parse_registered("s", [Frozen(1, 5, descriptor_of(text, {}))])


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"file": []}', '{"file": [5]}', '{"file": [{"syntax": "proto3", "messageType": [5]}]}'],
)
def test_a_damaged_descriptor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the descriptor of a Protobuf schema"):
        Protobuf.parse_registered("s", [Frozen(1, 5, text)])


def test_a_version_without_the_message_has_no_records() -> None:
    other = Frozen(1, 7, descriptor_of('syntax = "proto3"; message A {}', {}))
    protobuf = Protobuf.parse_registered("sales-value", [other, FROZEN[1]], "shop.Sale")
    stream = replace(SALES, format=protobuf)
    assert both(prefix_of(7) + b"\x00", stream) == ("not_protobuf", "")
    assert both(sale(), stream)["id"] == "s"


def test_types_of_proto2_are_not_declared() -> None:
    old = 'syntax = "proto2"; message Old { optional string a = 1; } enum Kind { X = 1; }'
    text = 'syntax = "proto3"; import "old.proto"; message A { string id = 1; Old old = 2; }'
    protobuf = Protobuf.parse_registered("s", [Frozen(1, 5, descriptor_of(text, {"old.proto": old}))])
    with pytest.raises(ValueError, match="field 'old' is declared as record"):
        protobuf.check({"id": FieldType.STRING, "old": FieldType.record({"a": FieldType.STRING})})


def test_a_schema_may_be_registered_as_a_descriptor() -> None:
    files = json_format.Parse(descriptor_of(SECOND, {}), descriptor_pb2.FileDescriptorSet()).file
    encoded = base64.b64encode(files[-1].SerializeToString()).decode()
    again = Protobuf.parse_registered("sales-value", [Frozen(2, IDS[2], descriptor_of(encoded, {}))], "shop.Sale")
    assert again.newest.types == NEW.types


def test_imports_come_from_references_and_stay_in_the_folder() -> None:
    text = 'syntax = "proto3"; import "a/b.proto"; message A { B b = 1; }'
    assert '"B"' in descriptor_of(text, {"a/b.proto": 'syntax = "proto3"; message B {}'})
    with pytest.raises(ValueError, match=r"a/b\.proto: File not found"):
        descriptor_of(text, {})
    with pytest.raises(ValueError, match="leads out of the folder"):
        descriptor_of(text, {"../b.proto": 'syntax = "proto3";'})
    with pytest.raises(ValueError, match="Expected"):
        descriptor_of('syntax = "proto3"; message {', {})


@pytest.mark.parametrize("name", ["confluent/type/decimal", "confluent/type/variant", "confluent/types/decimal"])
def test_types_of_confluent_need_no_reference(name: str) -> None:
    assert "confluent.type" in descriptor_of(f'syntax = "proto3"; import "{name}.proto"; message A {{}}', {})


def test_options_of_confluent_need_no_reference() -> None:
    field = 'string id = 1 [(confluent.field_meta) = { doc: "x" }];'
    text = f'syntax = "proto3"; import "confluent/meta.proto"; message A {{ {field} }}'
    assert re.search('"name": "A"', descriptor_of(text, {}))


def test_samples_are_events_and_malformed_ones_are_not() -> None:
    encoder = ProtobufRecordEncoder(SALES, SALES_PROTOBUF)
    for fields in (SALE, {**SALE, "note": None, "coupon": None, "time": None}):
        assert both(encoder.plain(fields))["id"] == "s"
        assert {both(encoder.unusual(fields, choice / 10))["id"] for choice in range(10)} == {"s"}
    kinds = set()
    for choice in range(40):
        kind, value = encoder.malformed(SALE, choice / 40)
        kinds.add(kind)
        assert isinstance(VALIDATE(None, value, NOON_MS), Dead), kind
        assert not value or kind == "far_future" or DECODE(value).error, kind
    assert len(kinds) == 18


def changed(older: str, newer: str, declared: Kind) -> tuple[Stream, ProtobufRecordEncoder]:
    """Returns a stream with a field ``n`` whose type has changed, and its encoder."""
    head = 'syntax = "proto3"; import "confluent/type/decimal.proto"; message A { string id = 1; int64 at = 2;'
    frozen = [Frozen(each, each, descriptor_of(f"{head} {part}", {})) for each, part in enumerate((older, newer), 1)]
    protobuf = Protobuf.parse_registered("s", frozen)
    fields: dict[str, Kind] = {"id": FieldType.STRING, "at": FieldType.EPOCH_MILLISECONDS, "n": declared}
    stream = Stream("s", "s", fields, "at", "id", format=protobuf)
    return stream, ProtobufRecordEncoder(stream, protobuf)


@pytest.mark.parametrize(
    ("older", "newer", "declared", "old", "new"),
    [
        ("int32 n = 3; }", "int64 n = 3; }", FieldType.INTEGER, 5, 2**40),
        ("repeated int32 n = 3; }", "repeated int64 n = 3; }", FieldType.array(FieldType.INTEGER), [5], [2**40]),
        ("N n = 3; } enum N { X = 0; }", "N n = 3; } enum N { X = 0; Y = 1; }", FieldType.enum("X", "Y"), "X", "Y"),
    ],
)
def test_a_sample_that_an_older_schema_cannot_have_is_of_the_newest(
    older: str, newer: str, declared: Kind, old: Any, new: Any
) -> None:
    stream, encoder = changed(older, newer, declared)
    for value, ids in ((old, {1, 2}), (new, {2})):
        fields = {"id": "a", "at": NOON_MS, "n": value}
        samples = [encoder.unusual(fields, choice / 4) for choice in range(4)]
        assert {each[4] for each in samples} == ids
        assert all(both(each, stream)["n"] == value for each in samples)


def test_a_sample_of_an_older_schema_lacks_a_field_that_had_another_meaning() -> None:
    stream, encoder = changed("string n = 3; }", "string m = 3; int64 n = 4; }", FieldType.INTEGER)
    older = encoder.unusual({"id": "a", "at": NOON_MS, "n": 5}, 0)
    assert older[4] == 1
    assert both(older, stream)["n"] == 0


def test_samples_of_decimals_have_all_digits() -> None:
    part = "confluent.type.Decimal n = 3; }"
    stream, encoder = changed(part, part, FieldType.decimal(34, 4))
    number = Exact("-123456789012345678901234567890.1234")
    assert both(encoder.plain({"id": "a", "at": NOON_MS, "n": number}), stream)["n"] == number


@pytest.mark.parametrize(("symbols", "names"), [(("Y", "Z"), "YZ"), (("X", "Z"), "XZ"), (("Y", "X", "Z"), "XZ")])
def test_a_declared_symbol_may_be_any_name_of_its_number(symbols: tuple[str, ...], names: str) -> None:
    part = "N n = 3; } enum N { option allow_alias = true; X = 0; Y = 0; Z = 1; D = 2; }"
    stream, encoder = changed(part, part, FieldType.enum(*symbols))
    value = encoder.plain({"id": "a", "at": NOON_MS})
    found = [both(value + more, stream) for more in (b"", b"\x18\x01", b"\x18\x02")]
    assert [each["n"] for each in found[:2]] == list(names)
    assert found[2] == ("wrong_type", "n")


def test_the_dashboard_searches_whole_messages() -> None:
    found = VALIDATE.document(sale())
    assert found is not None
    assert (found["id"], found["coupon"], found["tags"]) == ("s", SALE["coupon"], SALE["tags"])
    assert (VALIDATE.document(TAIL + b"\x0a"), VALIDATE.document(b"x"), VALIDATE.document(prefix_of(9))) == (
        None,
        None,
        None,
    )
