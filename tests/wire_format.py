"""Streams in Confluent's wire format, for the tests of both implementations."""

from __future__ import annotations

from dataclasses import replace

from tandem.engine.declare.wire_format import Frozen, prefix_of
from tandem.pipeline import Avro, FieldType, JsonSchema, Stream
from tests.avro import DEAD, EVENTS, HEADERS, SALES, SCHEMAS, sale

# The ids are in another order than the versions: a registry gives one id to equal schemas of all subjects.
IDS = {1: 100_007, 2: 258, 3: 2**31 - 1, 4: 9, 5: 101}
REGISTERED = Avro.parse_registered("sales-value", [Frozen(number, IDS[number], SCHEMAS[number]) for number in SCHEMAS])
SALES_REGISTERED = replace(SALES, format=REGISTERED)
_PREFIXES = {HEADERS[number]: prefix_of(IDS[number]) for number in HEADERS}


def registered(value: bytes) -> bytes:
    """Returns the same record in Confluent's wire format, if its header names a schema."""
    return _PREFIXES.get(value[:10], value[:10]) + value[10:]


AVRO_EVENTS = {name: (registered(value), fields) for name, (value, fields) in EVENTS.items()}
AVRO_DEAD: dict[str, tuple[bytes | None, str]] = {
    **{
        name: (value and registered(value), error if not value or value[:10] in _PREFIXES else "not_avro")
        for name, (value, error) in DEAD.items()
    },
    "the wire format of a schema registry": (prefix_of(1) + sale(5)[10:], "unknown_schema"),
    "an id of the greatest size": (b"\x00\xff\xff\xff\xff" + sale(5)[10:], "unknown_schema"),
    "a negative id": (b"\x00\x80\x00\x00\x65" + sale(5)[10:], "unknown_schema"),
    "the prefix alone": (prefix_of(IDS[5]), "not_avro"),
    "half a prefix": (prefix_of(IDS[5])[:4], "not_avro"),
    "another magic byte": (b"\x01" + prefix_of(IDS[5])[1:] + sale(5)[10:], "not_avro"),
    "in single-object encoding": (sale(5), "not_avro"),
}

JSON_IDS = (12, 7)
_SIMPLE = {"id": FieldType.STRING, "at": FieldType.TIMESTAMP, "amount": FieldType.INTEGER}
# Read without variants, and with them.
JSON_FLAT = Stream("sales", "sales_v1", _SIMPLE, "at", "id", format=JsonSchema("sales-value", JSON_IDS))
JSON_NESTED = replace(JSON_FLAT, fields={**_SIMPLE, "tags": FieldType.array(FieldType.STRING).optional()})
TEXT = b'{"id": "s", "at": "2026-11-22T11:00:00Z", "amount": 7}'
JSON_FIELDS = {"id": "s", "at": 1_795_345_200_000_000, "amount": 7}
JSON_EVENTS = {
    "newest": prefix_of(7) + TEXT,
    "older": prefix_of(12) + TEXT,
    "escaped": prefix_of(7) + TEXT.replace(b'"s"', rb'"\u0073"'),
    "blank around": prefix_of(7) + b" " + TEXT + b"\n",
}
JSON_DEAD: dict[str, tuple[bytes | None, str]] = {
    "null": (None, "empty_value"),
    "empty": (b"", "empty_value"),
    "without a prefix": (TEXT, "not_json"),
    "the prefix alone": (prefix_of(7), "not_json"),
    "half a prefix": (prefix_of(7)[:4], "not_json"),
    "another magic byte": (b"\x01" + prefix_of(7)[1:] + TEXT, "not_json"),
    "unknown id": (prefix_of(8) + TEXT, "unknown_schema"),
    "unknown id before anything": (prefix_of(8) + b"\xff", "unknown_schema"),
    "a negative id": (b"\x00\x80\x00\x00\x07" + TEXT, "unknown_schema"),
    "two prefixes": (prefix_of(7) + prefix_of(7) + TEXT, "not_json"),
    "not UTF-8": (prefix_of(7) + TEXT.replace(b'"s"', b'"\xff"'), "not_utf8"),
    "truncated": (prefix_of(7) + TEXT[:-1], "not_json"),
    "trailing bytes": (prefix_of(7) + TEXT + b"{}", "not_json"),
    "a name twice": (prefix_of(7) + TEXT[:-1] + b', "id": "t"}', "not_json"),
    "no object": (prefix_of(7) + b"[]", "not_object"),
    "wrong type": (prefix_of(7) + TEXT.replace(b"7", b'"7"'), "wrong_type"),
    "a number for a text": (prefix_of(7) + TEXT.replace(b'"s"', b"5"), "wrong_type"),
    "missing": (prefix_of(7) + b'{"id": "s"}', "missing_field"),
    "bad time": (prefix_of(7) + TEXT.replace(b"11-22", b"22-11"), "bad_time"),
}
