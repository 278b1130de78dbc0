"""A stream whose Protobuf schema has changed, for the tests of both implementations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Exact
from typing import Any

from tandem.engine.declare.kind import Array, Kind, Map, Record, Timestamp
from tandem.engine.declare.protobuf_schema import headers_of
from tandem.engine.declare.wire_format import Frozen, prefix_of
from tandem.engine.read.protobuf_records import ReadRecord
from tandem.pipeline import FieldType, Protobuf, Stream
from tandem.producer.protobuf_encoder import ProtobufEncoder, message_class
from tandem.schema_registry.protobuf import descriptor_of

NOON_MS = 1_795_348_800_000  # 2026-11-22 12:00 UTC
HEAD = """syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/type/date.proto";
import "confluent/type/decimal.proto";
message Other { string id = 1; }
"""
FIRST = (
    HEAD
    + """message Sale {
  string number = 1;
  int64 at = 2;
  reserved 3;
  message Item { string article = 1; confluent.type.Decimal price = 2; }
  repeated Item items = 4;
  string paid = 12;
}
"""
)
SECOND = (
    HEAD
    + """enum Size { NONE = 0; S = 1; L = 2; XL = 3; }
message Sale {
  string id = 1;
  google.protobuf.Timestamp time = 3;
  int64 at = 2;
  message Item { string sku = 1; confluent.type.Decimal price = 2; optional Size size = 3; }
  repeated Item items = 4;
  map<string, string> tags = 5;
  google.type.Date day = 6;
  google.protobuf.StringValue note = 7;
  oneof discount { double rate = 8; string code = 9; Coupon coupon = 10; }
  message Coupon { string code = 1; uint64 value = 2; }
  repeated sint32 deltas = 11;
  bool paid = 12;
  fixed64 serial = 13;
  bytes raw = 14;
  string undeclared = 15;
}
"""
)
DECLARED: dict[str, Kind] = {
    "id": FieldType.STRING,
    "at": FieldType.EPOCH_MILLISECONDS,
    "time": FieldType.TIMESTAMP.optional(),
    "items": FieldType.array(
        FieldType.record(
            {
                "sku": FieldType.STRING,
                "price": FieldType.decimal(12, 2),
                "size": FieldType.enum("S", "L").optional(),
            }
        )
    ),
    "tags": FieldType.map(FieldType.TEXT),
    "day": FieldType.DATE.optional(),
    "note": FieldType.TEXT.optional(),
    "rate": FieldType.DOUBLE.optional(),
    "coupon": FieldType.record({"code": FieldType.STRING, "value": FieldType.INTEGER}).optional(),
    "deltas": FieldType.array(FieldType.INTEGER_32),
    "serial": FieldType.INTEGER,
    "raw": FieldType.BYTES,
}
IDS = {1: 258, 2: 101}
FROZEN = [Frozen(1, IDS[1], descriptor_of(FIRST, {})), Frozen(2, IDS[2], descriptor_of(SECOND, {}))]
SALES_PROTOBUF = Protobuf.parse_registered("sales-value", FROZEN, "shop.Sale")
OLD, NEW = SALES_PROTOBUF.versions
SALES = Stream("sales", "sales_v1", DECLARED, "at", "id", format=SALES_PROTOBUF)
PAID: dict[str, Kind] = {"id": FieldType.STRING, "at": FieldType.EPOCH_MILLISECONDS, "paid": FieldType.BOOLEAN}
SALE: dict[str, Any] = {
    "id": "s",
    "at": NOON_MS,
    "time": NOON_MS + 1,
    "items": [{"sku": "x", "price": Exact("-0.05"), "size": "L"}, {"sku": "y", "price": Exact("0.00"), "size": None}],
    "tags": {"a": "", "žluť": "🐎"},
    "day": date(2026, 11, 22),
    "note": "",
    "rate": None,
    "coupon": {"code": "c", "value": 2**63 - 1},
    "deltas": [0, -1, 2**31 - 1, -(2**31)],
    "serial": 7,
    "raw": b"\xff",
}
_TIME_0 = datetime(1970, 1, 1, tzinfo=UTC)


def plain(fields: Mapping[str, Kind], answer: ReadRecord) -> Any:
    """Returns an answer of the engine's decoder as ``verify`` writes it: fields, or error and detail."""
    if answer.fields is None:
        return answer.error, answer.detail
    return {name: _plain(kind, value) for (name, kind), value in zip(fields.items(), answer.fields, strict=True)}


def _plain(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    match kind:
        case Timestamp():
            return (value - _TIME_0) // timedelta(microseconds=1)
        case Array():
            return [_plain(kind.items, each) for each in value]
        case Map():
            return {key: _plain(kind.values, each) for key, each in value.items()}
        case Record():
            return {name: _plain(each, part) for (name, each), part in zip(kind.fields.items(), value, strict=True)}
        case _:
            return value


SECOND_MESSAGE = headers_of((1,))[0]
HEADER = prefix_of(IDS[2]) + SECOND_MESSAGE


def wrote(message: str, **fields: Any) -> bytes:
    """Returns a message that Protobuf's own library has written."""
    return bytes(message_class(NEW, message)(**fields).SerializeToString())


def sale(**changes: Any) -> bytes:
    sources = SALES_PROTOBUF.sources(NEW, DECLARED)
    return ProtobufEncoder(SALES_PROTOBUF, NEW, sources)({**SALE, **changes})


TAIL = HEADER + wrote("shop.Sale", id="s", at=NOON_MS)
ITEM = {"sku": "x", "price": {"value": b"\1"}}


def item(**changes: Any) -> bytes:
    return TAIL + wrote("shop.Sale", items=[{**ITEM, **changes}])


DEAD = {
    "no prefix": (wrote("shop.Sale", id="s"), "not_protobuf", ""),
    "half a prefix": (HEADER[:4], "not_protobuf", ""),
    "prefix alone": (HEADER[:5], "not_protobuf", ""),
    "unknown id": (prefix_of(9) + SECOND_MESSAGE, "unknown_schema", "schema id 9"),
    "first message": (prefix_of(IDS[2]) + b"\x00" + wrote("shop.Other", id="s"), "not_protobuf", ""),
    "no such message": (prefix_of(IDS[2]) + b"\x02\x10", "not_protobuf", ""),
    "negative index": (prefix_of(IDS[2]) + b"\x02\x01", "not_protobuf", ""),
    "tag alone": (TAIL + b"\x0a", "not_protobuf", ""),
    "text too short": (TAIL + b"\x0a\x02a", "not_protobuf", ""),
    "number without an end": (TAIL + b"\x10\x80", "not_protobuf", ""),
    "number of eleven bytes": (TAIL + b"\x10" + b"\x80" * 10 + b"\x00", "not_protobuf", ""),
    "field 0": (TAIL + b"\x00\x00", "not_protobuf", ""),
    "tag of six bytes": (TAIL + b"\x90\x80\x80\x80\x80\x00\x00", "not_protobuf", ""),
    "another wire type": (TAIL + b"\x08\x01", "not_protobuf", ""),
    "another wire type of another member": (TAIL + b"\x48\x01", "not_protobuf", ""),
    "another wire type in a removed message": (TAIL + b"\x52\x02\x08\x01\x4a\x00", "not_protobuf", ""),
    "group in a removed message": (TAIL + b"\x52\x02\x7b\x7c\x4a\x00", "not_protobuf", ""),
    "group": (TAIL + b"\xfb\x01\xfc\x01", "not_protobuf", ""),
    "end of a group": (TAIL + b"\xfc\x01", "not_protobuf", ""),
    "wire type 6": (TAIL + b"\xfe\x01", "not_protobuf", ""),
    "text behind the message": (TAIL + b"\x52\x03\x0a\x02a", "not_protobuf", ""),
    "packed numbers cut": (TAIL + b"\x5a\x01\x80\x01", "not_protobuf", ""),
    "unknown field cut": (TAIL + b"\xfa\x01\x05a", "not_protobuf", ""),
    "unknown number cut": (TAIL + b"\xfd\x01abc", "not_protobuf", ""),
    "invalid text": (HEADER + b"\x0a\x01\xff", "not_utf8", "id"),
    "invalid key": (TAIL + b"\x2a\x03\x0a\x01\xff", "not_utf8", "tags"),
    "NUL in a key": (TAIL + b"\x2a\x03\x0a\x01\x00", "wrong_type", "tags"),
    "invalid value": (TAIL + b"\x2a\x03\x12\x01\xff", "not_utf8", "tags[*]"),
    "unknown number of an enum": (item(size=9), "wrong_type", "items[0].size"),
    "symbol that is not declared": (item(size=3), "wrong_type", "items[0].size"),
    "no decimal": (item(price={}), "wrong_type", "items[0].price"),
    "too many digits after the point": (
        item(price={"value": b"\1", "scale": 3}),
        "wrong_type",
        "items[0].price",
    ),
    "negative scale": (item(price={"value": b"\1", "scale": -1}), "wrong_type", "items[0].price"),
    "decimal missing": (TAIL + wrote("shop.Sale", items=[{"sku": "x"}]), "missing_field", "items[0].price"),
    "no such day": (TAIL + wrote("shop.Sale", day={"year": 2026, "month": 2, "day": 29}), "bad_time", "day"),
    "year alone": (TAIL + wrote("shop.Sale", day={"year": 2026}), "bad_time", "day"),
    "nanoseconds of a second and more": (TAIL + b"\x1a\x06\x10\x80\x94\xeb\xdc\x03", "bad_time", "time"),
    "year 10000": (TAIL + wrote("shop.Sale", time={"seconds": 253_402_300_800}), "bad_time", "time"),
    "too large": (TAIL + wrote("shop.Sale", serial=2**63), "wrong_type", "serial"),
    "no number": (TAIL + wrote("shop.Sale", rate=float("nan")), "wrong_type", "rate"),
    "nested text": (TAIL + wrote("shop.Sale", coupon={"value": 1}), "empty_field", "coupon.code"),
}


PRICED = wrote("shop.Sale", items=[{"sku": "x", "price": {"value": b"\x01", "scale": 1}}])
UNUSUAL: dict[str, tuple[bytes, dict[str, Any]]] = {
    "unknown fields": (b"\xfa\x01\x01a\xf8\x01\x05\xfd\x01abcd\xf9\x01abcdefgh", {}),
    "last value wins": (wrote("shop.Sale", id="t"), {"id": "t"}),
    "messages are merged": (
        wrote("shop.Sale", coupon={"code": "a"}) + wrote("shop.Sale", coupon={"value": 5}),
        {"coupon": {"code": "a", "value": 5}},
    ),
    "another member removes one": (wrote("shop.Sale", rate=1.5, code="x"), {"rate": None}),
    "a removed message is not merged": (
        wrote("shop.Sale", coupon={"code": "a", "value": 5})
        + wrote("shop.Sale", code="x")
        + wrote("shop.Sale", coupon={"code": "b"}),
        {"coupon": {"code": "b", "value": 0}},
    ),
    "unpacked": (b"\x58\x01\x58\x02", {"deltas": [-1, 1]}),
    "packed and unpacked": (b"\x5a\x02\x01\x02\x58\x04", {"deltas": [-1, 1, 2]}),
    "higher bits are ignored": (b"\x58\xff\xff\xff\xff\x7f", {"deltas": [-(2**31)]}),
    "longer encoding": (b"\x8a\x00\x81\x80\x80\x80\x00t", {"id": "t"}),
    "the last value of a key": (b"\x2a\x06\x0a\x01a\x12\x01x\x2a\x06\x0a\x01a\x12\x01y", {"tags": {"a": "y"}}),
    "an entry without parts": (b"\x2a\x00", {"tags": {"": ""}}),
    "an empty wrapper": (b"\x3a\x00", {"note": ""}),
    "-0": (wrote("shop.Sale", rate=-0.0), {"rate": 0.0}),
    "nanoseconds are cut off": (
        wrote("shop.Sale", time={"seconds": -1, "nanos": 999_999_999}),
        {"time": -1},
    ),
    "another scale": (PRICED, {"items": [{"sku": "x", "price": Exact("0.10"), "size": None}]}),
}
