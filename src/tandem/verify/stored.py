"""Converts an event's fields to the values that MongoDB stores."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date as Day
from typing import Any, assert_never

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from tandem.engine.declare.kind import (
    Array,
    Boolean,
    Bytes,
    Date,
    Decimal,
    Double,
    Enum,
    Integer,
    Kind,
    Map,
    Record,
    String,
    Timestamp,
)
from tandem.engine.declare.stream import Stream

_EPOCH = Day(1970, 1, 1)
_DAY_MS = 86_400_000


def stored(stream: Stream, event: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an event's declared fields as documents have them, without missing ones.

    Dates are ``DatetimeMS``, a day at its begin in UTC; decimals are ``Decimal128``.

    Args:
        stream: the declaration.
        event: the event's columns, as ``expect`` gets them.
    """
    return _record(stream.fields, event)


def date(micros: int) -> DatetimeMS:
    """Returns an event's timestamp as MongoDB stores it, in whole milliseconds."""
    return DatetimeMS(micros // 1000)


def _record(fields: Mapping[str, Kind], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(kind, values[name]) for name, kind in fields.items() if values[name] is not None}


def _value(kind: Kind, value: Any) -> Any:
    match kind:
        case Timestamp():
            return date(value)
        case Date():
            return day(value)
        case Decimal():
            return Decimal128(value)
        case Record():
            return _record(kind.fields, value)
        case Array():
            return [_value(kind.items, item) for item in value]
        case Map():
            return {key: _value(kind.values, item) for key, item in value.items()}
        case String() | Boolean() | Integer() | Double() | Bytes() | Enum():
            return value
        case _:
            assert_never(kind)


def day(value: Day) -> DatetimeMS:
    """Returns a day as MongoDB stores it, at its beginning in UTC."""
    return DatetimeMS((value - _EPOCH).days * _DAY_MS)
