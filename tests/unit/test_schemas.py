"""What `tandem new --from` makes of JSON Schemas and Avro schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tandem.engine.declare.field_type import FieldType
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
    inner = found.fields["outer"]
    assert {name: kind for name, kind in found.fields.items() if name != "outer"} == {
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
    assert "outer" not in getattr(inner, "fields", {})
    assert any("several may have several types" in note for note in found.notes)
    with pytest.raises(UsageError, match="not an Avro schema"):
        described(tmp_path, '{"type": "record", "name": "x"}', "wrong.avsc")
    with pytest.raises(UsageError, match="not the schema of a record"):
        described(tmp_path, '"string"', "wrong.avsc")


def test_a_record_is_no_schema(tmp_path: Path) -> None:
    for record in ({"type": "Feature", "properties": {"id": 1}}, {"$schema": "x", "id": 1}):
        assert described(tmp_path, json.dumps(record)).samples[0].fields == record
    for schema in ({"$schema": "x", "type": "object", "properties": {"id": {"type": "integer"}}},):
        assert described(tmp_path, json.dumps(schema)).samples == ()
