"""Converts the defaults of schemas to Python values."""

from __future__ import annotations

import base64
import decimal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tandem.engine.declare.kind import Bytes, Date, Decimal, Integer, Kind, Timestamp
from tandem.verify.field_values import micros
from tandem.verify.strict_json import Number

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def of_json_schema(kind: Kind, value: Any) -> Any:
    """Returns a JSON Schema's default; unchanged where the type has no such value."""
    if isinstance(value, Number):
        if isinstance(kind, Decimal):
            return str(value)
        number = float(value)
        return int(number) if isinstance(kind, Integer) and number.is_integer() else number
    if isinstance(value, str):
        return _converted(value, lambda: _of_text(kind, value))
    return value


def of_avro(kind: Kind, value: Any) -> Any:
    """Returns an Avro schema's default; unchanged where the type has no such value."""
    if isinstance(kind, Bytes) and isinstance(value, str):
        return _converted(value, lambda: value.encode("latin-1"))
    if isinstance(kind, Decimal) and isinstance(value, str):
        return _converted(value, lambda: _of_bytes(kind, value.encode("latin-1")))
    if type(value) is int:
        return _converted(value, lambda: _of_integer(kind, value))
    return value


def _of_bytes(kind: Decimal, value: bytes) -> decimal.Decimal:
    """Returns a decimal from its digits, which Avro writes as a big-endian integer."""
    return decimal.Decimal(int.from_bytes(value, signed=True)).scaleb(-kind.scale)


def _of_text(kind: Kind, value: str) -> Any:
    match kind:
        case Date():
            return date.fromisoformat(value)
        case Timestamp():
            at = micros(value)
            return value if at is None else _EPOCH + timedelta(microseconds=at)
        case Bytes():
            return base64.b64decode(value, validate=True)
        case _:
            return value


def _of_integer(kind: Kind, value: int) -> Any:
    match kind:
        case Date():
            return _EPOCH.date() + timedelta(days=value)
        case Timestamp():
            return _EPOCH + timedelta(microseconds=value * kind.unit.micros)
        case _:
            return value


def _converted(value: Any, convert: Callable[[], Any]) -> Any:
    with suppress(ValueError, OverflowError):
        return convert()
    return value
