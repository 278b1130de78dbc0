"""Encodes the values of sample events for JSON, by their declared types."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal as Exact
from functools import lru_cache
from typing import Any, assert_never

from tandem.engine.declare.kind import (
    DIGITS,
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
    TimeUnit,
)

_MINUTE_MS = 60_000
Encode = Callable[[Any], Any]


def fields_encoder(fields: Mapping[str, Kind]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Returns a function that encodes an event's fields for JSON.

    It leaves out fields that are None.
    """
    encoders = [(name, encode) for name, kind in fields.items() if (encode := encoder(kind)) is not None]
    optional = [name for name, kind in fields.items() if kind.is_optional]

    def encode_all(values: Mapping[str, Any]) -> dict[str, Any]:
        written = dict(values)
        for name in optional:
            if written.get(name) is None:
                written.pop(name, None)
        for name, encode in encoders:
            if name in written:
                written[name] = encode(written[name])
        return written

    return encode_all


def encoder(kind: Kind) -> Encode | None:
    """Returns a function that converts a value for ``json``.

    None if no conversion is needed.
    """
    match kind:
        case String() | Enum() | Boolean() | Integer() | Double():
            return None
        case Decimal():
            scale = kind.scale
            return (lambda value: _decimal_bytes(value, scale)) if kind.in_bytes else _decimal
        case Date():
            return date.isoformat
        case Timestamp():
            unit = kind.unit.micros
            return iso if kind.unit is TimeUnit.ISO_8601 else lambda time_ms: time_ms * 1000 // unit
        case Bytes():
            return lambda value: b64encode(value).decode()
        case Record():
            return fields_encoder(kind.fields)
        case Array():
            item = encoder(kind.items)
            return item and (lambda values: list(map(item, values)))
        case Map():
            each = encoder(kind.values)
            return each and (lambda values: {key: each(value) for key, value in values.items()})
        case _:
            assert_never(kind)


def iso(time_ms: int) -> str:
    """Returns milliseconds since the epoch as ISO 8601 in UTC."""
    minute, rest = divmod(time_ms, _MINUTE_MS)
    return f"{_minute(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


@lru_cache(maxsize=256)
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M")


def _decimal_bytes(value: Exact, scale: int) -> str:
    """Returns the number without its point, as bytes with a sign in base64."""
    unscaled = int(value.scaleb(scale, context=DIGITS))
    return b64encode(unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True)).decode()


def _decimal(value: Exact) -> float | str:
    """Returns a number if Python writes it with the same digits, else a string.

    Both are exact.
    """
    text = repr(number := float(value))
    return number if "e" not in text and Exact(text) == value else format(value, "f")
