"""Files of strangers for `tandem new --from`: ordinary and odd ones, and what is made of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

KEY, TIMESTAMP = "the record's key", "the record's timestamp"
SCHEMA = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Declared:
    """A file from which a stream is declared.

    Attributes:
        name: the file's name.
        content: what is in it.
        fields: the types of the declared fields as ``shown`` writes them.
        identity: the identity.
        time: the event time.
        notes: a part of each note that is not about optional fields, identity or time.
    """

    name: str
    content: str | bytes
    fields: dict[str, str]
    identity: str = "id"
    time: str = TIMESTAMP
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A file that is refused.

    Attributes:
        name: the file's name.
        content: what is in it.
        problem: a part of the message.
        hint: a part of the hint.
    """

    name: str
    content: str | bytes
    problem: str
    hint: str


@dataclass(frozen=True)
class Joined:
    """Two files that are joined.

    Attributes:
        name: what is special.
        left: the records of the first file.
        right: those of the second.
        key: what is said about the key, or a part of the message where they are refused.
        hint: a part of the hint where they are refused.
    """

    name: str
    left: list[dict[str, Any]]
    right: list[dict[str, Any]]
    key: str
    hint: str = ""
    files: tuple[str, str] = field(default=("orders.jsonl", "payments.jsonl"))


def lines(*records: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in records)


def schema(properties: dict[str, Any], required: Sequence[str] = ("id",), **others: Any) -> str:
    return json.dumps(
        {"$schema": SCHEMA, "type": "object", "properties": properties, "required": list(required), **others}
    )


def avro(*fields: dict[str, Any], name: str = "Order", **others: Any) -> str:
    return json.dumps({"type": "record", "name": name, "fields": fields, **others})


TWO = {"id": "integer", "x": "string"}
UUID = "550e8400-e29b-41d4-a716-4466554400{:02d}"

SAMPLES: tuple[Declared | Refused, ...] = (
    Declared(
        "decimals.jsonl",
        '{"order_id": "A1", "created_at": "2026-01-05T10:00:00Z", "total": 12.30, "weight": 1.5, "paid": true}\n'
        '{"order_id": "A2", "created_at": "2026-01-05T10:01:00Z", "total": 5, "weight": 20, "paid": false}\n'
        '{"order_id": "A3", "created_at": "2026-01-05T10:02:00Z", "total": 100000.99, "weight": 0.125, "paid": true}\n',
        {
            "order_id": "string",
            "created_at": "timestamp",
            "total": "decimal(12,2)",
            "weight": "double",
            "paid": "boolean",
        },
        identity="order_id",
        time="created_at",
        notes=("decimals: total (12, 2)",),
    ),
    Declared(
        "nested.jsonl",
        lines(
            {"id": 1, "ts": 1764000000, "items": [{"sku": "a", "price": 9.99, "options": [{"k": "c", "v": "red"}]}]},
            {"id": 2, "ts": 1764000005, "items": []},
            {"id": 3, "ts": 1764000009, "items": [{"sku": "c", "price": 3.25, "options": [], "gift": True}]},
        ),
        {
            "id": "integer",
            "ts": "timestamp in seconds",
            "items": "array(record(sku: string, price: decimal(12,2), options: array(record(k: string, v: string)), "
            "gift: boolean?))",
        },
        time="ts",
        notes=("decimals: items[].price (12, 2)",),
    ),
    Declared(
        "optional.jsonl",
        lines(
            {"id": "a", "at": "2026-01-01T00:00:00Z", "user": {"id": 7, "name": None}, "ref": None, "note": "x"},
            {"id": "b", "at": "2026-01-01T00:00:01Z", "user": None, "ref": None},
            {"id": "c", "at": "2026-01-01T00:00:02Z", "user": {"id": 8}, "ref": None, "note": ""},
        ),
        {
            "id": "string",
            "at": "timestamp",
            "user": "record(id: integer, name: string?)?",
            "ref": "string?",
            "note": "text?",
        },
        time="at",
        notes=("user.name: only null", "ref: only null"),
    ),
    Declared(
        "epochs.jsonl",
        lines(
            *(
                {
                    "id": f"s{n}",
                    "seconds": 1764000000 + n,
                    "time_s": 1764000000 + n,
                    "created_ms": 1764000000000 + n,
                    "updated_us": 1764000000000000 + n,
                    "timestamp": 1764000000000000000 + n,
                    "ts": 1764000000.25 + n,
                    "at_text": str(1764000000 + n),
                }
                for n in range(5)
            )
        ),
        {
            "id": "string",
            "seconds": "integer",
            "time_s": "timestamp in seconds",
            "created_ms": "timestamp in milliseconds",
            "updated_us": "timestamp in microseconds",
            "timestamp": "integer",
            "ts": "double",
            "at_text": "string",
        },
        time="time_s",
        notes=(
            "timestamp: not declared as a time, because no time has nanoseconds",
            "ts: not declared as a time",
            "at_text: its times are declared as strings",
        ),
    ),
    Declared(
        "iso.jsonl",
        lines(
            *(
                {
                    "id": n,
                    "created": f"2026-01-0{n + 1}T10:00:00",
                    "updated": f"2026-01-0{n + 1}T10:00:00+02:00",
                    "seen": f"2026-01-0{n + 1} 10:00:00.123456",
                    "day": f"2026-01-0{n + 1}",
                    "german_day": f"0{n + 1}.01.2026",
                    "nanoseconds": f"2026-01-0{n + 1}T10:00:00.123456789Z",
                    "shipped": "" if n else "2026-01-02T10:00:00Z",
                    "day_or_time": f"2026-01-0{n + 1}{'T10:00:00Z' if n else ''}",
                }
                for n in range(4)
            )
        ),
        {
            "id": "integer",
            "created": "timestamp",
            "updated": "timestamp",
            "seen": "timestamp",
            "day": "date",
            "german_day": "string",
            "nanoseconds": "string",
            "shipped": "text",
            "day_or_time": "string",
        },
        time="created",
        notes=(
            "nanoseconds: its times are declared as strings, because not all are like",
            "shipped: its times are declared as strings, because some are empty",
            "day_or_time: its times are declared as strings",
        ),
    ),
    Declared(
        "years.jsonl",
        lines({"id": 1, "born": "0001-01-01", "at": "1969-07-20T20:17:40Z", "ends_at": "2999-01-01T00:00:00Z"}),
        {"id": "integer", "born": "date", "at": "timestamp", "ends_at": "timestamp"},
        time="at",
    ),
    Declared(
        "numbers.jsonl",
        '{"id": 1, "n": 1, "power": 1e3, "zero": -0.0, "long": 18446744073709551615, "ratio": 0.12345678901234567890}\n'
        '{"id": 2, "n": 2.5, "power": 5, "zero": 0, "long": 123456789012345678901234567890, "ratio": 0.5}\n',
        {
            "id": "integer",
            "n": "double",
            "power": "double",
            "zero": "double",
            "long": "decimal(34,0)",
            "ratio": "double",
        },
        notes=("decimals: long (34, 0)",),
    ),
    Declared(
        "huge.jsonl",
        f'{{"id": 9007199254740993, "n": {"9" * 60}, "x": 1e400}}\n',
        {"id": "integer", "n": "double"},
        notes=("n: declared as a double, which rounds", "left out: x has a number that is too large"),
    ),
    Declared(
        "unicode.jsonl",
        lines({"größe": "L", "名前": "太郎", "ключ": 1, "emoji🙂": "x", "id": "ß1", "naïve": True}),
        {
            "größe": "string",
            "名前": "string",
            "ключ": "integer",
            "emoji🙂": "string",
            "id": "string",
            "naïve": "boolean",
        },
    ),
    Declared(
        "odd_names.jsonl",
        lines(
            {"order.id": "a", "$set": 1, "two words": 2, 'the "best"': 3, "it's": 4, "back`tick": 5, "1st": 7, "{}": 1},
            {"order.id": "b", "$set": 1, "two words": 2, 'the "best"': 3, "it's": 4, "back`tick": 5, "1st": 7, "{}": 1},
        ),
        {
            "order.id": "string",
            **dict.fromkeys(("$set", "two words", 'the "best"', "it's", "back`tick", "1st", "{}"), "integer"),
        },
        identity="order.id",
    ),
    Declared(
        "names_left_out.jsonl",
        lines({"id": 1, "": 2, "tab\there": 3, "_aside": 4, "userId": "a", "userid": "b", "both'\"": 5}),
        {"id": "integer", "userId": "string"},
        notes=(
            "left out: field ''",
            r"left out: field 'tab\there'",
            "left out: field '_aside'",
            "'userid' differs",
            "both",
        ),
    ),
    Declared(
        "keywords.jsonl",
        lines(
            *(
                dict.fromkeys(
                    ("id", "class", "def", "None", "select", "from", "where", "order", "_id", "kind"), f"v{n}"
                )
                | {
                    "key": f"k{n}",
                    "value": n,
                    "self": n,
                    "stream": n,
                    "datetime": "d",
                    "identity": "i",
                    "event_time": 5,
                }
                for n in range(2)
            )
        ),
        {
            **dict.fromkeys(
                ("id", "class", "def", "None", "select", "from", "where", "order", "_id", "kind"), "string"
            ),
            "key": "string",
            "value": "integer",
            "self": "integer",
            "stream": "integer",
            "datetime": "string",
            "identity": "string",
        },
        notes=("event_time: not declared as a time", "left out: field 'event_time' is named like a column"),
    ),
    Declared(
        "arrays.jsonl",
        lines(
            {"id": "a", "tags": [], "matrix": [[1, 2], [3]], "deep": [[[{"x": 1}]]], "never": [], "pair": [[], [1]]},
            {"id": "b", "tags": ["x"], "matrix": [], "deep": [[]], "never": [], "pair": [[2.5]]},
        ),
        {
            "id": "string",
            "tags": "array(string)",
            "matrix": "array(array(integer))",
            "deep": "array(array(array(record(x: integer))))",
            "never": "array(text)",
            "pair": "array(array(double))",
        },
        notes=("never: only empty arrays",),
    ),
    Declared(
        "null_items.jsonl",
        lines({"id": "a", "v": [1, None]}, {"id": "b", "v": [2]}),
        {"id": "string"},
        notes=("left out: v has an item that is null (line 1)",),
    ),
    Declared(
        "maps.jsonl",
        lines(
            *(
                {
                    "id": f"m{n}",
                    "counters": {f"k{n}": n, f"j{n * 7}": n + 1},
                    "days": {f"2026-01-{n + 1:02d}": 1.5},
                    "users": {UUID.format(n): {"count": n, "seen": None if n else "x"}},
                    "flags": {f"flag{n % 3}": True},
                    "empty": {},
                }
                for n in range(20)
            )
        ),
        {
            "id": "string",
            "counters": "map(integer)",
            "days": "map(double)",
            "users": "map(record(count: integer, seen: string?))",
            "flags": "record(flag0: boolean?, flag1: boolean?, flag2: boolean?)",
            "empty": "map(text)",
        },
        notes=(
            "counters: declared as a map",
            "days: declared as a map",
            "users: declared as a map",
            "only empty objects",
        ),
    ),
    Declared(
        "types_of_events.jsonl",
        lines(*({"id": n, "data": {f"a{n % 6}": {"x": 1}, f"b{n % 6}": {"y": 2}}} for n in range(30))),
        {
            "id": "integer",
            "data": f"record({', '.join(f'a{n}: record(x: integer)?, b{n}: record(y: integer)?' for n in range(6))})",
        },
    ),
    Declared(
        "base64.jsonl",
        lines(*({"id": UUID.format(n), "payload": "aGVsbG8gd29ybGQ=", "trace": "4bf92f3577b34da6"} for n in range(6))),
        {"id": "string", "payload": "string", "trace": "string"},
    ),
    Declared(
        "debezium.jsonl",
        lines(
            {"before": None, "after": {"id": 1, "balance": "AfQ="}, "op": "c", "ts_ms": 1764000000100},
            {"before": {"id": 1, "balance": "AfQ="}, "after": None, "op": "d", "ts_ms": 1764000001100},
        ),
        {
            "before": "record(id: integer, balance: string)?",
            "after": "record(id: integer, balance: string)?",
            "op": "string",
            "ts_ms": "timestamp in milliseconds",
        },
        identity=KEY,
        time="ts_ms",
    ),
    Declared(
        "mongo.jsonl",
        lines(*({"_id": {"$oid": f"65f0{n:020d}"}, "at": {"$date": f"2026-01-01T00:00:0{n}Z"}} for n in range(3))),
        {"_id": "record($oid: string)", "at": "record($date: timestamp)"},
        identity="_id.$oid",
        time="at.$date",
    ),
    Declared(
        "logstash.jsonl",
        lines(
            *({"@timestamp": f"2026-01-01T00:00:0{n}.123Z", "http.status": 200, "message": "a\tb\n"} for n in range(3))
        ),
        {"@timestamp": "timestamp", "http.status": "integer", "message": "string"},
        identity=KEY,
        time="@timestamp",
    ),
    Declared(
        "single.jsonl",
        lines({"sensor": "s1", "value": 21.5, "time": "2026-01-01T00:00:00Z"}),
        {"sensor": "string", "value": "double", "time": "timestamp"},
        identity=KEY,
        time="time",
    ),
    Declared(
        "thousands.jsonl",
        lines(
            *({"id": n, "user_id": n % 50, "at": 1764000000000 + n, "amount": round(n * 1.37, 2)} for n in range(3000))
        ),
        {"id": "integer", "user_id": "integer", "at": "timestamp in milliseconds", "amount": "decimal(12,2)"},
        time="at",
        notes=("decimals: amount (12, 2)",),
    ),
    Declared(
        "same_ids.jsonl",
        lines({"id": 1, "line_no": 1}, {"id": 1, "line_no": 2}, {"id": 2, "line_no": 1}),
        {"id": "integer", "line_no": "integer"},
        identity="id, line_no",
    ),
    Declared("empty_id.jsonl", lines({"id": ""}, {"id": "b"}), {"id": "text"}, identity=KEY),
    Declared("blank.jsonl", '\n\n{"id": 1, "x": "a"}\n\n   \n{"id": 2, "x": "b"}\n\n', TWO),
    Declared("bom.jsonl", b'\xef\xbb\xbf{"id": 1, "x": "a"}\n{"id": 2, "x": "b"}\n', TWO),
    Declared("crlf.jsonl", '{"id": 1, "x": "a"}\r\n{"id": 2, "x": "b"}\r\n', TWO),
    Declared("array.json", '[\n {"id": 1, "x": "a"},\n {"id": 2, "x": "b"}\n]\n', TWO),
    Declared("pretty.json", '{\n "id": 1,\n "x": "a"\n}\n{\n "id": 2,\n "x": "b"\n}\n', TWO),
    Declared("no_newline.jsonl", '{"id": 1, "x": "a"}\n{"id": 2, "x": "b"}', TWO),
    Refused(
        "cut.jsonl", '{"id": 1}\n{"id": 2}\n{"id": ', "cut.jsonl:3: not JSON", "delete the last line if it is cut off"
    ),
    Refused("cut.json", '[{"id": 1},\n{"id": 2},\n{"id": ', "cut.json:3: not JSON", "an array of objects"),
    Refused(
        "commas.jsonl", '{"id": 1},\n{"id": 2},\n', "commas.jsonl:1: a comma follows this record", "delete the commas"
    ),
    Refused("types.jsonl", lines({"v": 1}, {"v": "n/a"}), "an integer in line 1 and a string in line 2", "one type"),
    Refused(
        "items.jsonl", lines({"v": [1, "x"]}), "field 'v[]' is an integer in line 1 and a string in line 1", "one type"
    ),
    Refused(
        "latin.jsonl", '{"id": 1, "n": "größe"}\n'.encode("latin-1"), "latin.jsonl:1: not UTF-8", "convert the file"
    ),
    Refused("wide.jsonl", '{"id": 1}\n'.encode("utf-16"), "wide.jsonl:1: not UTF-8", "convert the file"),
    Refused(
        "nan.jsonl", '{"id": 1, "v": NaN}\n', "nan.jsonl:1: not JSON that the job takes: NaN", "one JSON object a line"
    ),
    Refused("twice.jsonl", '{"id": 1, "id": 2}\n', "a name occurs twice in an object", "one JSON object a line"),
    Refused("numbers.jsonl", "1\n2\n", "numbers.jsonl:1: not a JSON object", "one JSON object a line"),
    Refused("table.jsonl", "id,name\n1,a\n", "table.jsonl:1: not JSON", "one JSON object a line"),
    Refused("empty.jsonl", "", "has no records", "one JSON object a line"),
    Refused("api.json", '{"openapi": "3.0.0", "components": {}}', "describes an API", "save the JSON Schema"),
)

MONEY = {"type": "object", "properties": {"amount": {"type": "number", "multipleOf": 0.01}}, "required": ["amount"]}
SCHEMAS: tuple[Declared | Refused, ...] = (
    Declared(
        "definitions.json",
        schema(
            {
                "id": {"type": "string", "format": "uuid"},
                "at": {"type": "string", "format": "date-time"},
                "total": {"$ref": "#/$defs/money"},
                "discount": {"anyOf": [{"$ref": "#/$defs/money"}, {"type": "null"}]},
                "paths": {"$ref": "#/$defs/with%20space~1slash"},
            },
            ("id", "at", "total"),
            additionalProperties=False,
            **{"$defs": {"money": MONEY, "with space/slash": {"type": "array", "items": {"type": "string"}}}},
        ),
        {
            "id": "string",
            "at": "timestamp",
            "total": "record(amount: decimal(18,2))",
            "discount": "record(amount: decimal(18,2))?",
            "paths": "array(text)?",
        },
        time="at",
    ),
    Declared(
        "addresses.json",
        schema(
            {
                "id": {"type": "string"},
                "absolute": {"$ref": "https://example.org/money.json"},
                "relative": {"$ref": "money.json"},
                "anchor": {"$ref": "#here"},
                "other": {"$ref": "https://example.org/other.json"},
            },
            ("id", "absolute", "relative", "anchor"),
            **{
                "$id": "https://example.org/order.json",
                "$defs": {"m": {**MONEY, "$id": "money.json"}, "h": {"$anchor": "here", "type": "integer"}},
            },
        ),
        {
            "id": "string",
            "absolute": "record(amount: decimal(18,2))",
            "relative": "record(amount: decimal(18,2))",
            "anchor": "integer",
        },
        notes=("left out: other refers to another file: 'https://example.org/other.json'",),
    ),
    Declared(
        "draft4.json",
        json.dumps(
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "definitions": {
                    "node": {"properties": {"id": {"type": "string"}, "up": {"$ref": "#/definitions/node"}}}
                },
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
                    "pair": {"type": "array", "items": [{"type": "number"}, {"type": "integer"}]},
                    "extra": {"type": "object", "additionalProperties": {"type": "string"}},
                    "free": {"type": "object"},
                    "node": {"$ref": "#/definitions/node"},
                },
                "required": ["id"],
            }
        ),
        {"id": "integer", "pair": "array(double)?", "extra": "map(text)?", "node": "record(id: text?)?"},
        notes=("left out: free may have any type", "left out: node.up contains itself"),
    ),
    Declared(
        "choices.json",
        schema(
            {
                "id": {"type": "string"},
                "status": {"oneOf": [{"const": "new", "title": "New"}, {"const": "paid"}]},
                "number": {"anyOf": [{"type": "integer"}, {"type": "number"}]},
                "maybe": {"oneOf": [{"type": "string"}, {"type": "null"}]},
                "open": {"anyOf": [{"enum": ["a", "b"]}, {"type": "string"}]},
                "limited": {"type": "string", "anyOf": [{"minLength": 1}, {"pattern": "^x"}]},
                "api": {"type": "string", "nullable": True},
                "letter": {"type": ["string", "null"], "enum": ["A", "B", None]},
                "may_be_empty": {"enum": ["", "a"]},
                "level": {"enum": [1, 2, 3]},
                "version": {"const": "v1"},
                "payment": {"oneOf": [MONEY, {"type": "object", "properties": {"iban": {"type": "string"}}}]},
            },
            ("id", "api", "letter", "status", "number", "open", "limited", "may_be_empty", "level", "version"),
            oneOf=[{"required": ["number"]}, {"required": ["open"]}],
        ),
        {
            "id": "string",
            "status": "enum(new, paid)",
            "number": "double",
            "maybe": "text?",
            "open": "text",
            "limited": "text",
            "api": "text?",
            "letter": "enum(A, B)?",
            "may_be_empty": "text",
            "level": "integer",
            "version": "enum(v1)",
        },
        notes=("left out: payment may have several types",),
    ),
    Declared(
        "tuples.json",
        schema(
            {
                "id": {"type": "string"},
                "point": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "items": False},
                "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
                "headers": {"type": "object", "patternProperties": {"^x-": {"type": "integer"}}},
            },
            ("id", "point", "headers"),
        ),
        {"id": "string", "point": "array(double)", "headers": "map(integer)"},
        notes=("left out: pair has items of several types",),
    ),
    Declared(
        "parts.json",
        json.dumps(
            {
                "$schema": SCHEMA,
                "allOf": [{"$ref": "#/$defs/base"}, {"properties": {"n": {"type": "integer"}}, "required": ["n"]}],
                "$defs": {"base": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}},
            }
        ),
        {"n": "integer", "id": "string"},
    ),
    Declared(
        "pydantic.json",
        json.dumps(
            {
                "$defs": {"Status": {"enum": ["new", "paid"], "title": "Status", "type": "string"}},
                "properties": {
                    "order_id": {"format": "uuid", "title": "Order Id", "type": "string"},
                    "created_at": {"format": "date-time", "type": "string"},
                    "status": {"$ref": "#/$defs/Status", "default": "new"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                    "price": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9.]*$"}]},
                    "any": {"title": "Any"},
                },
                "required": ["order_id", "created_at", "price"],
                "title": "Order",
                "type": "object",
            }
        ),
        {"order_id": "string", "created_at": "timestamp", "status": "enum(new, paid)?", "note": "text?"},
        identity="order_id",
        time="created_at",
        notes=("left out: price may have several types", "left out: any may have any type"),
    ),
    Refused(
        "list.json",
        json.dumps({"$schema": SCHEMA, "type": "array", "items": MONEY}),
        "the schema is not of an object",
        "the schema of one kind of records",
    ),
    Refused(
        "either.json",
        json.dumps({"$schema": SCHEMA, "oneOf": [MONEY, {"type": "object"}]}),
        "the schema may have several types",
        "the schema of one kind of records",
    ),
    Declared(
        "unions.avsc",
        avro(
            {"name": "id", "type": "string"},
            {"name": "note", "type": ["null", "string"], "default": None},
            {"name": "either", "type": ["int", "string"]},
            {"name": "last", "type": ["string", "null"], "default": "x"},
            {"name": "only", "type": ["string"]},
            {"name": "items", "type": {"type": "array", "items": ["null", "string"]}},
        ),
        {"id": "string", "note": "text?", "last": "text?", "only": "text"},
        notes=("left out: either may have several types", "left out: items has items or values that may be null"),
    ),
    Declared(
        "logical.avsc",
        avro(
            {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "day", "type": {"type": "int", "logicalType": "date"}},
            {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
            {"name": "created", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "nanos", "type": {"type": "long", "logicalType": "timestamp-nanos"}},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
            {
                "name": "exact",
                "type": {
                    "type": "fixed",
                    "name": "D",
                    "size": 8,
                    "logicalType": "decimal",
                    "precision": 18,
                    "scale": 4,
                },
            },
            {"name": "long", "type": {"type": "bytes", "logicalType": "decimal", "precision": 60}, "default": "\0"},
        ),
        {
            "id": "string",
            "day": "date",
            "clock": "32-bit integer",
            "created": "timestamp in milliseconds",
            "micros": "timestamp in microseconds",
            "nanos": "integer",
            "amount": "decimal(12,2)",
            "exact": "decimal(18,4)",
        },
        time="created",
        notes=("left out: long has more than 34 digits",),
    ),
    Declared(
        "namespaces.avsc",
        avro(
            {"name": "id", "type": "long"},
            {
                "name": "home",
                "type": {
                    "type": "record",
                    "name": "Address",
                    "namespace": "x.y",
                    "fields": [
                        {"name": "street", "type": "string"},
                        {
                            "name": "place",
                            "type": {"type": "record", "name": "Place", "fields": [{"name": "lat", "type": "double"}]},
                        },
                    ],
                },
            },
            {"name": "work", "type": ["null", "x.y.Address"], "default": None},
            {"name": "place", "type": "x.y.Place"},
            {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 16}},
            {"name": "other_hash", "type": "Hash"},
            {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
            {"name": "state_before", "type": "State", "default": "PAID"},
            {"name": "lists", "type": {"type": "map", "values": {"type": "array", "items": "int"}}},
            name="a.b.Order",
        ),
        {
            "id": "integer",
            "home": "record(street: text, place: record(lat: double))",
            "work": "record(street: text, place: record(lat: double))?",
            "place": "record(lat: double)",
            "hash": "bytes",
            "other_hash": "bytes",
            "state": "enum(NEW, PAID)",
            "state_before": "enum(NEW, PAID)?",
            "lists": "map(array(32-bit integer))",
        },
    ),
    Declared(
        "defaults.avsc",
        avro(
            {"name": "id", "type": "string", "default": ""},
            {"name": "n", "type": "int", "default": 5},
            {"name": "d", "type": "double", "default": 1},
            {"name": "list", "type": {"type": "array", "items": "string"}, "default": []},
            {"name": "raw", "type": "bytes", "default": "\u00ff'\""},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
            {
                "name": "amount",
                "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
                "default": "\u0001",
            },
            {
                "name": "inner",
                "type": {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]},
                "default": {"x": 1},
            },
        ),
        {
            "id": "string",
            "n": "32-bit integer?",
            "d": "double?",
            "list": "array(text)?",
            "raw": "bytes?",
            "at": "timestamp in milliseconds?",
            "amount": "decimal(4,2)?",
            "inner": "record(x: 32-bit integer)?",
        },
        time="at",
        notes=(
            "inner: its default {'x': 1} cannot be declared",
            "records that lack id have the same identity: the field's default",
            "records that lack at have the same time: the field's default",
        ),
    ),
    Declared(
        "recursive.avsc",
        avro(
            {"name": "id", "type": "string"},
            {"name": "next", "type": ["null", "Node"], "default": None},
            {"name": "children", "type": {"type": "array", "items": "Node"}},
            name="Node",
        ),
        {"id": "string"},
        notes=("left out: next contains itself: Node", "left out: children contains itself: Node"),
    ),
    Declared(
        "avro.json",
        avro({"name": "id", "type": "string"}, {"name": "n", "type": "long"}),
        {"id": "string", "n": "integer"},
    ),
    Refused(
        "twice.avsc",
        avro({"name": "id", "type": "string"}, {"name": "id", "type": "int"}),
        "Order has two fields of the same name",
        "the schema of a record",
    ),
    Refused("dash.avsc", avro({"name": "a-b", "type": "int"}), "'a-b' is not a name in Avro", "the schema of a record"),
    Refused("union.avsc", f"[{avro({'name': 'id', 'type': 'string'})}]", "not the schema of a record", "have fields"),
    Refused("protocol.avsc", '{"protocol": "P", "types": []}', "not an Avro schema", "the schema of a record"),
    Refused("missing.avsc", avro({"name": "id", "type": "Missing"}), "not an Avro schema", "the schema of a record"),
)

_N = range(4)
JOINS: tuple[Joined, ...] = (
    Joined(
        "the same name",
        [{"order_id": f"o{n}"} for n in _N],
        [{"payment_id": n, "order_id": f"o{n}"} for n in _N],
        "order_id",
    ),
    Joined(
        "an id and its reference", [{"id": n} for n in _N], [{"id": f"p{n}", "orderId": n} for n in _N], "id = orderId"
    ),
    Joined(
        "a reference to a record of another name",
        [{"id": n} for n in _N],
        [{"id": f"p{n}", "orderId": n} for n in _N],
        "id = orderId",
        files=("export.jsonl", "dump.jsonl"),
    ),
    Joined(
        "a record as a reference",
        [{"id": n} for n in _N],
        [{"payment_id": n + 9, "order": n} for n in _N],
        "id = order",
    ),
    Joined(
        "a nested reference",
        [{"id": n} for n in _N],
        [{"payment_id": f"p{n}", "order": {"id": n}} for n in _N],
        "id = order.id",
        files=("export.jsonl", "dump.jsonl"),
    ),
    Joined(
        "nested on both sides",
        [{"data": {"order": {"id": f"o{n}"}}} for n in _N],
        [{"payload": {"order_id": f"o{n % 2}", "payment_id": f"p{n}"}} for n in _N],
        "data.order.id = payload.order_id",
    ),
    Joined(
        "a number and a text", [{"order_id": n} for n in _N], [{"id": n, "order_id": str(n)} for n in _N], "order_id"
    ),
    Joined(
        "names that differ in case",
        [{"OrderID": f"o{n}"} for n in _N],
        [{"payment_id": n, "orderid": f"o{n}"} for n in _N],
        "OrderID = orderid",
    ),
    Joined(
        "odd names",
        [{"order.id": f"o{n}"} for n in _N],
        [{"pay id": n, "order.id": f"o{n}", "class": "x"} for n in _N],
        "order.id",
    ),
    Joined(
        "no name of an identifier",
        [{"sensor": f"s{n}", "t": 1.5} for n in _N],
        [{"sensor": f"s{n}", "h": 2.5} for n in _N],
        "sensor",
    ),
    Joined(
        "several likely keys",
        [{"order_id": f"o{n}", "invoice_id": f"i{n}", "n": n} for n in _N],
        [{"id": n, "order_id": f"o{n}", "invoice_id": f"i{n}"} for n in _N],
        "order_id; as likely: invoice_id; choose with --on",
        files=("export.jsonl", "dump.jsonl"),
    ),
    Joined(
        "the second one is identified",
        [{"event_id": n, "user_id": n % 2} for n in _N],
        [{"user_id": n} for n in _N],
        "user_id",
        files=("clicks.jsonl", "users.jsonl"),
    ),
    Joined(
        "an optional reference",
        [{"order_id": "a"}, {"order_id": "b"}],
        [{"payment_id": 1, "order_id": "a"}, {"payment_id": 2}],
        "order_id",
    ),
    Joined(
        "values alone",
        [{"id": n} for n in _N],
        [{"payment_id": f"p{n}", "buys": n} for n in _N],
        "share no field that identifies",
        hint="by their values: --on id=buys",
    ),
    Joined(
        "no key",
        [{"t": 1.5, "at": 1764000000}],
        [{"h": 2.5, "at": 1764000000}],
        "share no field that identifies",
        hint="name it with --on",
    ),
    Joined(
        "both have ids of their own",
        [{"id": f"a{n}"} for n in _N],
        [{"id": f"b{n}"} for n in _N],
        "share no field that identifies",
        hint="name it with --on",
    ),
    Joined(
        "numbers with a fraction",
        [{"order_id": n} for n in _N],
        [{"pay": f"p{n}", "order_id": n + 0.0} for n in _N],
        "share no field that identifies",
        hint="name it with --on",
    ),
)
