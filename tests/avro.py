"""A stream whose schema has changed in every way that Avro's rules know, for the tests of both implementations."""

from __future__ import annotations

import json
from typing import Any

from tandem.pipeline import Avro, FieldType, Stream
from tandem.producer.avro_encoder import AvroEncoder

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
# Of what an event does not need, one of each type that Avro has.
OTHERS: list[dict[str, Any]] = [
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "counts", "type": {"type": "map", "values": "long"}},
    {"name": "size", "type": {"type": "enum", "name": "Size", "symbols": ["S", "L"]}},
    {"name": "mark", "type": {"type": "fixed", "name": "Mark", "size": 3}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
    {
        "name": "inner",
        "type": {
            "type": "record",
            "name": "Inner",
            "fields": [
                {"name": "size", "type": "Size"},
                {"name": "rate", "type": "float"},
                {"name": "seen", "type": MICROS},
            ],
        },
    },
    {"name": "odd", "type": ["null", "string", "int", "Inner", {"type": "array", "items": "double"}]},
    {"name": "flag", "type": "boolean"},
    {"name": "rate", "type": "double"},
    {"name": "none", "type": "null"},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
]


def schema(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "Sale", "namespace": "shop.v1", "doc": "a sale", "fields": fields})


def field(name: str, avro_type: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": avro_type, **more}


SCHEMAS = {
    # Before some fields were added, one was renamed and one became longer and optional.
    1: schema(field("id", "string"), field("happened", MILLIS), field("amount", "int"), *OTHERS),
    # Of another type than before and after.
    2: schema(field("id", "string"), field("at", MICROS), field("amount", "string")),
    # Removed without a default, and put back later.
    3: schema(field("id", "string"), field("amount", "long")),
    # A number that is no time any more.
    4: schema(field("at", "long"), field("id", "string"), field("amount", "long")),
    5: schema(
        field("channel", ["null", "string"], default=None),
        field("id", ["null", "string"]),
        field("at", MICROS, aliases=["happened"]),
        field("amount", ["long", "null"]),
        field("currency", "string", default="EUR"),
        field("rated", MICROS, default=0),
    ),
}
FIELDS = {
    "id": FieldType.STRING,
    "at": FieldType.TIMESTAMP,
    "amount": FieldType.INTEGER,
    "currency": FieldType.STRING,
    "rated": FieldType.TIMESTAMP,
}
SALES = Stream(
    name="sales",
    topic="sales_v1",
    fields=FIELDS,
    event_time="at",
    identity="id",
    format=Avro.parse("sales", SCHEMAS),
)
assert SALES.format is not None
_ENCODERS = {version.number: AvroEncoder(version) for version in SALES.format.versions}
NOON_MS = 1_795_345_200_000  # 2026-11-22T11:00:00Z
_RECORDS: dict[int, dict[str, Any]] = {
    1: {
        "id": "s",
        "happened": NOON_MS,
        "amount": -7,
        "tags": ["a", "é"],
        "counts": {"a": 2**40, "b": -1},
        "size": "L",
        "mark": b"abc",
        "price": b"\x04\xd2",
        "inner": {"size": "S", "rate": 0.5, "seen": 2**63 - 1},
        "odd": [1.5, -2.5],
        "flag": True,
        "rate": 1e300,
        "none": None,
        "day": 2**31 - 1,
    },
    2: {"id": "s", "at": NOON_MS * 1000, "amount": "7"},
    3: {"id": "s", "amount": 7},
    4: {"id": "s", "at": NOON_MS, "amount": 7},
    5: {"id": "s", "at": NOON_MS * 1000 + 1, "amount": 2**63 - 1, "currency": "CZK", "channel": "web", "rated": 5},
}


def sale(version: int, **changes: Any) -> bytes:
    """Returns a record's value, written by a schema."""
    return _ENCODERS[version]({**_RECORDS[version], **changes})


HEADERS = {number: sale(number)[:10] for number in SCHEMAS}
EVENTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "newest": (
        sale(5),
        {"id": "s", "at": NOON_MS * 1000 + 1, "amount": 2**63 - 1, "currency": "CZK", "rated": 5},
    ),
    "without the optional field": (
        sale(5, channel=None, amount=0),
        {"id": "s", "at": NOON_MS * 1000 + 1, "amount": 0, "currency": "CZK", "rated": 5},
    ),
    "older: renamed, in milliseconds, an int, with defaults": (
        sale(1),
        {"id": "s", "at": NOON_MS * 1000, "amount": -7, "currency": "EUR", "rated": 0},
    ),
    "older, of other content": (
        sale(1, tags=[], counts={}, odd=None, id="x|y\\é", amount=-(2**31)),
        {"id": "x|y\\é", "at": NOON_MS * 1000, "amount": -(2**31), "currency": "EUR", "rated": 0},
    ),
    "other branches": (
        sale(1, odd={"size": "L", "rate": 0.0, "seen": -1}, flag=False),
        {"id": "s", "at": NOON_MS * 1000, "amount": -7, "currency": "EUR", "rated": 0},
    ),
    "the first time": (
        sale(5, at=-62_135_596_800_000_000),
        {"id": "s", "at": -62_135_596_800_000_000, "amount": 2**63 - 1, "currency": "CZK", "rated": 5},
    ),
    "number longer than need be": (
        sale(5, channel=None).replace(HEADERS[5] + b"\x00", HEADERS[5] + b"\x80\x80\x80\x80\x00"),
        {"id": "s", "at": NOON_MS * 1000 + 1, "amount": 2**63 - 1, "currency": "CZK", "rated": 5},
    ),
    "text that is not UTF-8 in what is not declared": (
        sale(5, channel="web").replace(b"web", b"\xffeb"),
        {"id": "s", "at": NOON_MS * 1000 + 1, "amount": 2**63 - 1, "currency": "CZK", "rated": 5},
    ),
}
DEAD: dict[str, tuple[bytes | None, str]] = {
    "null": (None, "empty_value"),
    "empty": (b"", "empty_value"),
    "json": (b'{"id": "s"}', "not_avro"),
    "mark alone": (b"\xc3\x01", "not_avro"),
    "half a header": (HEADERS[5][:9], "not_avro"),
    "another mark": (b"\xc3\x02" + sale(5)[2:], "not_avro"),
    "the wire format of a schema registry": (b"\x00\x00\x00\x00\x01" + sale(5)[10:], "not_avro"),
    "unknown schema": (HEADERS[5][:9] + bytes((HEADERS[5][9] ^ 1,)) + sale(5)[10:], "unknown_schema"),
    "header alone": (HEADERS[5], "not_avro"),
    "truncated": (sale(5)[:-1], "not_avro"),
    "truncated, older": (sale(1)[:-1], "not_avro"),
    "a byte behind": (sale(5) + b"\x00", "not_avro"),
    "a record behind": (sale(5) + sale(5), "not_avro"),
    "no such branch": (HEADERS[5] + b"\x04" + sale(5)[11:], "not_avro"),
    "negative branch": (HEADERS[5] + b"\x01" + sale(5)[11:], "not_avro"),
    "number of eleven bytes": (HEADERS[3] + b"\x02s" + b"\x80" * 10 + b"\x00", "not_avro"),
    "two gigabytes of text": (HEADERS[3] + b"\xe0\xff\xff\xff\x0f" + b"s", "not_avro"),
    "more text than can be": (HEADERS[3] + b"\xfe" + b"\xff" * 8 + b"\x01", "not_avro"),
    "text of negative length": (HEADERS[3] + b"\x01s\x0e", "not_avro"),
    "two billion items": (sale(1).replace(b"\x04\x02a\x04\xc3\xa9\x00", b"\xe0\xff\xff\xff\x0f\x02a"), "not_avro"),
    "no such symbol": (sale(1, tags=[], counts={}).replace(b"\x00\x00\x02abc", b"\x00\x00\x04abc"), "not_avro"),
    "changed type": (sale(2), "wrong_type"),
    "a number that is no time": (sale(4), "wrong_type"),
    "removed": (sale(3), "missing_field"),
    "removed, and no record": (sale(3) + b"\x00", "not_avro"),
    "null id": (sale(5, id=None), "null_field"),
    "null amount": (sale(5, amount=None), "null_field"),
    "empty id": (sale(5, id=""), "empty_field"),
    "empty currency": (sale(5, currency=""), "empty_field"),
    "not UTF-8": (sale(5, id="so").replace(b"\x04so", b"\x04\xed\xa0"), "not_utf8"),
    "before year 1": (sale(5, at=-62_135_596_800_000_001), "bad_time"),
    "after year 9999": (sale(5, rated=253_402_300_800_000_000), "bad_time"),
    "a time too large to be made microseconds": (sale(1, happened=2**63 - 1), "bad_time"),
    "future": (sale(5, at=NOON_MS * 1000 + 3_900_000_001), "future_time"),
}
