"""A stream whose Protobuf schema has changed, for the tests of both implementations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Exact
from typing import Any

from tandem.engine.declare.kind import Array, Kind, Map, Record, Timestamp
from tandem.engine.declare.wire_format import Frozen
from tandem.engine.read.protobuf_records import Answer
from tandem.pipeline import FieldType, Protobuf, Stream
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


def plain(fields: Mapping[str, Kind], answer: Answer) -> Any:
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
