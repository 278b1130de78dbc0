"""What `tandem new --from` makes of JSON Schemas, Avro schemas and Protobuf files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import Kind
from tandem.errors import UsageError
from tandem.scaffold.chosen import Choice, choose
from tests.unit.test_inference import NOW_MS, described


def test_a_json_schema(tmp_path: Path) -> None:
    item = {"type": "object", "properties": {"sku": {"type": "string"}, "of": {"$ref": "#/$defs/item"}}}
    properties: dict[str, Any] = {
        "order_id": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "on": {"type": ["string", "null"], "format": "date"},
        "status": {"enum": ["new", "paid"]},
        "total": {"type": "number", "multipleOf": 0.01},
        "ratio": {"type": "number"},
        "count": {"type": "integer", "minimum": 0, "maximum": 9, "default": 1},
        "big": {"type": "integer"},
        "paid": {"type": "boolean", "default": False},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "note": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
        "any": {},
        "both": {"type": ["string", "integer"]},
    }
    schema = {"type": "object", "properties": properties, "required": list(properties), "$defs": {"item": item}}
    found = described(tmp_path, json.dumps(schema), "orders.json")
    text = FieldType.TEXT
    assert dict(found.fields) == {
        "order_id": text,
        "at": FieldType.TIMESTAMP,
        "on": FieldType.DATE.optional(),
        "status": FieldType.enum("new", "paid"),
        "total": FieldType.decimal(18, 2),
        "ratio": FieldType.DOUBLE,
        "count": FieldType.INTEGER_32.default(1),
        "big": FieldType.INTEGER,
        "paid": FieldType.BOOLEAN.default(False),
        "items": FieldType.array(FieldType.record({"sku": text.optional()})),
        "labels": FieldType.map(text),
        "note": FieldType.STRING.optional(),
    }
    assert len(found.notes) == 3
    timed = {"type": "object", "properties": {"id": {"type": "string"}, "t_ms": {"type": "integer"}}}
    timed["required"] = ["id", "t_ms"]
    chosen = choose(described(tmp_path, json.dumps(timed)), Choice((), "t_ms"), "shop", NOW_MS).stream
    assert chosen.fields["t_ms"] == FieldType.EPOCH_MILLISECONDS
    # An identity is not empty, whatever the schema says.
    stream = choose(found, Choice(), "shop", NOW_MS).stream
    assert (stream.identity, stream.fields["order_id"]) == ("order_id", FieldType.STRING)


@pytest.mark.parametrize("keyword", ["default", "example", "examples", "enum", "const"])
def test_values_in_a_json_schema_are_no_addresses(tmp_path: Path, keyword: str) -> None:
    value = {"$id": "https://shop.example/a", "note": {"$ref": "other.json"}}
    schema = {
        "type": "object",
        keyword: value if keyword in ("default", "example", "const") else [value],
        "properties": {"order_id": {"$ref": "#/$defs/text"}, "note": {"$ref": "https://shop.example/a"}},
        "$defs": {"text": {"type": "string"}},
        "required": ["order_id", "note"],
    }
    found = described(tmp_path, json.dumps({"$id": "https://shop.example/orders", **schema}), "orders.json")
    assert dict(found.fields) == {"order_id": FieldType.TEXT}
    assert "refers to another file" in str(found.notes)


@pytest.mark.parametrize("name", ["default", "example", "examples", "enum", "const", "id", "properties", "definitions"])
def test_a_field_may_have_the_name_of_a_keyword(tmp_path: Path, name: str) -> None:
    properties = {"order_id": {"type": "string"}, name: {"$ref": "#/$defs/text"}}
    schema = {"type": "object", "properties": properties, "$defs": {"text": {"$id": "text", "type": "string"}}}
    schema |= {"required": list(properties), "$id": "https://shop.example/orders"}
    found = described(tmp_path, json.dumps(schema), "orders.json")
    assert dict(found.fields) == dict.fromkeys(properties, FieldType.TEXT)


def test_an_avro_schema(tmp_path: Path) -> None:
    fields: list[dict[str, Any]] = [
        {"name": "order_id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "other_kind", "type": ["null", "Kind"]},
        {"name": "n", "type": "int", "default": 3},
        {"name": "prices", "type": {"type": "map", "values": "double"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "several", "type": ["int", "string"]},
        {"name": "outer", "type": ["null", "Order"]},
    ]
    schema = {"type": "record", "name": "Order", "namespace": "a.b", "fields": fields}
    found = described(tmp_path, json.dumps(schema), "orders.avsc")
    assert dict(found.fields) == {
        "order_id": FieldType.TEXT,
        "at": FieldType.EPOCH_MILLISECONDS,
        "amount": FieldType.decimal(10, 2),
        "note": FieldType.TEXT.optional(),
        "kind": FieldType.enum("A", "B"),
        "other_kind": FieldType.enum("A", "B").optional(),
        "n": FieldType.INTEGER_32.default(3),
        "prices": FieldType.map(FieldType.DOUBLE),
        "tags": FieldType.array(FieldType.TEXT).default([]),
    }
    assert found.notes == ("left out: several may have several types", "left out: outer contains itself: a.b.Order")
    with pytest.raises(UsageError, match="not an Avro schema"):
        described(tmp_path, '{"type": "record", "name": "x"}', "wrong.avsc")
    with pytest.raises(UsageError, match="not the schema of a record"):
        described(tmp_path, '"string"', "wrong.avsc")


PROTO = """syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/type/date.proto";
import "confluent/type/decimal.proto";
import "parts/item.proto";
enum Status { option allow_alias = true; UNKNOWN = 0; NONE = 0; NEW = 1; }
message Order {
  string order_id = 1;
  google.protobuf.Timestamp at = 2;
  repeated parts.Item items = 3;
  optional Status status = 4;
  map<string, int64> counts = 5;
  map<int32, string> by_number = 6;
  google.protobuf.StringValue note = 7;
  google.type.Date day = 8;
  oneof pay { double cash = 9; bytes card = 10; }
  Order replaced = 11;
  parts.Old old = 12;
  repeated uint32 numbers = 13;
}
message Unused { string id = 1; }
"""
ITEM = """syntax = "proto3";
package parts;
import "confluent/type/decimal.proto";
import "parts/old.proto";
message Item { string sku = 1; confluent.type.Decimal price = 2; bool paid = 3; sint32 count = 4; }
"""


def test_a_protobuf_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "item.proto").write_text(ITEM.replace('import "parts/old', 'import public "parts/old'))
    (tmp_path / "parts" / "old.proto").write_text('syntax = "proto2"; package parts; message Old {}')
    found = described(tmp_path, PROTO, "orders.proto")
    item: dict[str, Kind] = {
        "sku": FieldType.TEXT,
        "price": FieldType.decimal(18, 2),
        "paid": FieldType.BOOLEAN,
        "count": FieldType.INTEGER_32,
    }
    assert dict(found.fields) == {
        "order_id": FieldType.TEXT,
        "at": FieldType.TIMESTAMP,
        "items": FieldType.array(FieldType.record(item)),
        "status": FieldType.enum("UNKNOWN", "NEW").optional(),
        "counts": FieldType.map(FieldType.INTEGER),
        "note": FieldType.TEXT.optional(),
        "day": FieldType.DATE,
        "cash": FieldType.DOUBLE.optional(),
        "card": FieldType.BYTES.optional(),
        "numbers": FieldType.array(FieldType.INTEGER),
    }
    assert found.summary == "the Protobuf message shop.Order"
    assert found.notes == (
        "other messages are not declared: shop.Unused",
        "items[].price: declared as decimal(18,2), because the schema has no precision",
        "left out: by_number has keys that are not strings",
        "left out: replaced contains itself: shop.Order",
        "left out: old is of a type that is not proto3: parts.Old",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("message {", "wrong.proto: 1:9: Expected message name"),
        ('syntax = "proto2"; message A { optional string id = 1; }', "wrong.proto: not proto3"),
        ('syntax = "proto3"; import "missing.proto"; message A {}', "missing.proto: File not found"),
        ('syntax = "proto3"; message A {}', "has no field that a stream can declare"),
        ('syntax = "proto3";', "has no field that a stream can declare"),
    ],
)
def test_a_protobuf_file_that_declares_nothing(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        described(tmp_path, text, "wrong.proto")


def test_a_record_is_no_schema(tmp_path: Path) -> None:
    for record in ({"type": "Feature", "properties": {"id": 1}}, {"$schema": "x", "id": 1}):
        assert described(tmp_path, json.dumps(record)).samples[0].fields == record
    properties = {"id": {"type": "integer"}}
    for schema in (
        {"$schema": "x", "type": "object", "properties": properties},
        {"$schema": "x", "properties": properties},
        {"type": ["object"], "properties": properties},
        {"$schema": "x", "type": ["object", "null"], "properties": properties},
    ):
        assert described(tmp_path, json.dumps(schema)).samples == ()


def of_properties(properties: Any, **others: Any) -> dict[str, Any]:
    return {"$schema": "x", "type": "object", "properties": properties, **others}


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ({"type": "object", "properties": {"n": {}}, "required": True}, "'required' that is not an array"),
        ({"type": "object", "properties": {"n": {}}, "required": None}, "'required' that is not an array"),
        ({"type": "object", "properties": [1]}, "'properties' that are not an object"),
        ({"enum": 5}, "'enum' that is not an array"),
        ({"anyOf": 5}, "'anyOf' that is not an array"),
        ({"allOf": None}, "'allOf' that is not an array"),
        ({"$ref": "#/$defs/any"}, "contains itself"),
        ({"$ref": "#/$defs/all"}, "refers to itself"),
        ({"$ref": "#/$defs/self"}, "refers to itself"),
        ({"$ref": "#/\x1b[2J"}, "refers to '#/\\x1b[2J', which is not there"),
        ({"$ref": "\x1b.json"}, "refers to another file: '\\x1b.json'"),
    ],
)
def test_a_malformed_part_of_a_json_schema_is_left_out(part: Any, problem: str, tmp_path: Path) -> None:
    own = {
        "any": {"anyOf": [{"$ref": "#/$defs/any"}, {"type": "null"}]},
        "all": {"allOf": [{"$ref": "#/$defs/all"}]},
        "self": {"$ref": "#/$defs/self"},
    }
    schema = of_properties({"id": {"type": "string"}, "part": part}, **{"$defs": own})
    found = described(tmp_path, json.dumps(schema), "orders.json")
    assert set(found.fields) == {"id"}
    (note,) = found.notes
    assert note == f"left out: part {problem}" or problem in note


@pytest.mark.parametrize(
    "schema",
    [
        of_properties({"id": {"type": "string"}}, required=5),
        of_properties({"id": {"type": "string"}}, required=None),
        of_properties([]),
        {"$schema": "x", "allOf": 5},
        {"$schema": "x", "allOf": [{"$ref": "#"}]},
    ],
)
def test_a_malformed_json_schema_is_refused(schema: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the schema (has|refers)"):
        described(tmp_path, json.dumps(schema), "orders.json")


@pytest.mark.parametrize("choice", ["anyOf", "allOf"])
def test_a_json_schema_that_is_nested_deep_is_refused(choice: str, tmp_path: Path) -> None:
    text = f'{{"{choice}": [' * 400 + '{"type": "string"}' + "]}" * 400
    with pytest.raises(UsageError, match="nested too deep"):
        described(tmp_path, '{"$schema": "x", "properties": {"a": %s}}' % text, "orders.json")  # noqa: UP031


def test_a_step_that_is_no_number_is_ignored(tmp_path: Path) -> None:
    for step in ("NaN", None, []):
        found = described(tmp_path, json.dumps(of_properties({"x": {"type": "number", "multipleOf": step}})), "o.json")
        assert found.fields["x"] == FieldType.DOUBLE.optional()


def test_definitions_that_refer_to_each_other_are_refused(tmp_path: Path) -> None:
    names = [f"d{number}" for number in range(9)]
    references = {name: {"$ref": f"#/$defs/{name}"} for name in names}
    definitions = {name: {"type": "object", "properties": references} for name in names}
    schema = of_properties(references, **{"$defs": definitions})
    with pytest.raises(UsageError, match="more than 10,000 parts"):
        described(tmp_path, json.dumps(schema), "orders.json")
    fields = [{"name": name, "type": f"R{name}"} for name in names]
    first = {"type": "record", "name": "Root", "fields": []}
    inner: Any = first
    for name in names:
        record = {"type": "record", "name": f"R{name}", "fields": []}
        inner["fields"].append({"name": "first", "type": record})
        inner = record
    for record in _records(first):
        record["fields"] += [dict(each) for each in fields]
    with pytest.raises(UsageError, match="more than 10,000 parts"):
        described(tmp_path, json.dumps(first), "orders.avsc")


def _records(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [record, *(each for field in record["fields"][:1] for each in _records(field["type"]))]


def test_a_tree_is_left_out_of_its_own_definition(tmp_path: Path) -> None:
    node = of_properties(
        {"n": {"type": "integer"}, "left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}}
    )
    definitions = {"node": node, "tree": {"allOf": [{"$ref": "#/$defs/node"}]}}
    schema = of_properties({"tree": {"$ref": "#/$defs/tree"}}, **{"$defs": definitions})
    found = described(tmp_path, json.dumps(schema), "orders.json")
    assert dict(found.fields) == {"tree": FieldType.record({"n": FieldType.INTEGER.optional()}).optional()}
    assert found.notes == ("left out: tree.left contains itself", "left out: tree.right contains itself")


def test_a_part_may_be_used_again_beside_the_whole(tmp_path: Path) -> None:
    base = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    item = {"type": "object", "properties": {"base": {"$ref": "#/$defs/base"}}, "required": ["base"]}
    schema = {"$schema": "x", "allOf": [{"$ref": "#/$defs/base"}, item], "$defs": {"base": base}}
    found = described(tmp_path, json.dumps(schema), "orders.json")
    assert dict(found.fields) == {"id": FieldType.TEXT, "base": FieldType.record({"id": FieldType.TEXT})}


def test_an_avro_schema_that_is_nested_deep_is_refused(tmp_path: Path) -> None:
    text = '{"type": "array", "items": ' * 5000 + '"int"' + "}" * 5000
    schema = '{"type": "record", "name": "r", "fields": [{"name": "a", "type": %s}]}' % text  # noqa: UP031
    with pytest.raises(UsageError, match="nested too deep"):
        described(tmp_path, schema, "orders.avsc")


def test_defaults_of_a_json_schema(tmp_path: Path) -> None:
    properties = {
        "day": {"type": "string", "format": "date", "default": "2026-01-02"},
        "at": {"type": "string", "format": "date-time", "default": "2026-01-02T03:04:05Z"},
        "n": {"type": "integer", "default": 1.0},
        "photo": {"type": "string", "contentEncoding": "base64", "default": "YWI="},
        "level": {"type": "integer", "enum": [1, 2]},
        "grade": {"enum": [1, 2]},
        "wrong": {"type": "string", "format": "date", "default": "soon"},
        "note": {"type": ["string", "null"], "default": None},
    }
    found = described(tmp_path, json.dumps(of_properties(properties)), "orders.json")
    assert dict(found.fields) == {
        "day": FieldType.DATE.default(date(2026, 1, 2)),
        "at": FieldType.TIMESTAMP.default(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        "n": FieldType.INTEGER.default(1),
        "photo": FieldType.BYTES.default(b"ab"),
        "level": FieldType.INTEGER.optional(),
        "grade": FieldType.INTEGER.optional(),
        "wrong": FieldType.DATE.optional(),
        "note": FieldType.TEXT.optional(),
    }
    assert found.notes == ("wrong: its default 'soon' cannot be declared; a missing field is null",)


def test_defaults_of_an_avro_schema(tmp_path: Path) -> None:
    fields: list[dict[str, Any]] = [
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 1000},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}, "default": 1},
        {"name": "photo", "type": "bytes", "default": "\u00ff"},
        {"name": "inner", "type": {"type": "map", "values": "int"}, "default": {"a": 1}},
    ]
    found = described(tmp_path, json.dumps({"type": "record", "name": "r", "fields": fields}), "orders.avsc")
    assert dict(found.fields) == {
        "at": FieldType.EPOCH_MILLISECONDS.default(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        "day": FieldType.DATE.default(date(1970, 1, 2)),
        "photo": FieldType.BYTES.default(b"\xff"),
        "inner": FieldType.map(FieldType.INTEGER_32).optional(),
    }
    assert found.notes == ("inner: its default {'a': 1} cannot be declared; a missing field is null",)
