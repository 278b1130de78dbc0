"""Protobuf without Spark: what a declaration must be, what both decoders make of bytes, and what producers send."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from decimal import Decimal as Exact
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, json_format

from tandem.engine.declare.kind import Kind
from tandem.engine.declare.wire_format import Frozen, prefix_of
from tandem.engine.read.protobuf_records import ProtobufRecords
from tandem.pipeline import FieldType, Protobuf, RecordPart, Stream
from tandem.producer.protobuf_encoder import ProtobufEncoder, ProtobufRecordEncoder
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


def test_messages_are_counted_without_the_entries_of_maps() -> None:
    inner = "map<string, string> m = 1; message B { message C {} } message D {}"
    text = f'syntax = "proto3"; message A {{ {inner} }} message E {{}}'
    found = Protobuf.parse_registered("s", [Frozen(1, 5, descriptor_of(text, {}))])
    indexes = {name: each.indexes for name, each in found.newest.types.messages.items() if each.indexes}
    assert indexes == {"A": (0,), "A.B": (0, 0), "A.B.C": (0, 0, 0), "A.D": (0, 1), "E": (1,)}


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


def test_the_dashboard_searches_whole_messages() -> None:
    found = VALIDATE.document(sale())
    assert found is not None
    assert (found["id"], found["coupon"], found["tags"]) == ("s", SALE["coupon"], SALE["tags"])
    assert (VALIDATE.document(TAIL + b"\x0a"), VALIDATE.document(b"x"), VALIDATE.document(prefix_of(9))) == (
        None,
        None,
        None,
    )
