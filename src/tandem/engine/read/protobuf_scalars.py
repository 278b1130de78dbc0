"""Converts encoded Protobuf values that have no parts.

A function raises ``Rejected`` for a value that cannot be of the declared type.
"""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn

from tandem.engine.declare.kind import (
    DIGITS,
    FIRST_MICROS,
    LAST_MICROS,
    MAX_DECIMAL_BYTES,
    Decimal,
    Enum,
    Integer,
    Kind,
    String,
)
from tandem.engine.declare.stream import DeadLetterError

# Converts an encoded value.
Read = Callable[[Any], Any]
_TIME_0 = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS = 1_000_000_000
_LARGEST_SCALE = 38


class Rejected(Exception):
    """A value is invalid.

    Args:
        error: the code.
        path: the path of the field.
        reason: what follows the path in the detail.
    """

    def __init__(self, error: DeadLetterError, path: str = "", reason: str = "") -> None:
        super().__init__(error)
        self.error, self.path, self._reason = error, path, reason

    @property
    def detail(self) -> str:
        """The path and the reason."""
        return self.path + self._reason

    def inside(self, outer: str) -> Rejected:
        """Returns the same error with a longer path: of the outer field and this one."""
        return Rejected(self.error, outer + self.path, self._reason)


def wrong(kind: Kind) -> NoReturn:
    """Rejects a value of another type."""
    raise Rejected(DeadLetterError.WRONG_TYPE, "", f": not of type {kind}")


def signed(number: int, bits: int) -> int:
    """Returns a number in two's complement.

    Higher bits are ignored, as by Protobuf's own readers.

    >>> signed(2**64 - 1, 32), signed(5, 32)
    (-1, 5)
    """
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _zigzag(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


# The value of an encoded number by its type; for others the encoded value is the value.
NUMBERS: Mapping[str, Read] = {
    "int64": lambda number: signed(number, 64),
    "int32": lambda number: signed(number, 32),
    "enum": lambda number: signed(number, 32),
    "uint32": lambda number: number & 0xFFFFFFFF,
    "sint64": _zigzag,
    "sint32": lambda number: _zigzag(number & 0xFFFFFFFF),
    "bool": lambda number: number != 0,
}


def default_of(scalar: str) -> Any:
    """Returns what an absent value of a type is, in encoded form."""
    return {"string": b"", "bytes": b"", "message": {}}.get(scalar, 0)


def text_reader(kind: String) -> Read:
    """Returns a function that converts a string."""

    def read(value: bytes) -> str:
        text = text_of(value)
        if not text and not kind.may_be_empty:
            raise Rejected(DeadLetterError.EMPTY_FIELD)
        return text

    return read


def text_of(value: bytes) -> str:
    """Returns a text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Rejected(DeadLetterError.NOT_UTF8) from None


def enum_reader(kind: Enum, symbols: Mapping[str, int]) -> Read:
    """Returns a function that converts an enum's number, or a string."""
    known: dict[int | bytes, str] = {symbol.encode(): symbol for symbol in kind.symbols}
    for symbol, number in symbols.items():
        if symbol in kind.symbols:
            # Of several declared names of a number, the first one in the schema counts.
            known.setdefault(number, symbol)

    def read(value: int | bytes) -> str:
        found = known.get(value)
        return wrong(kind) if found is None else found

    return read


def integer_reader(kind: Integer) -> Read:
    """Returns a function that converts an integer, which may be unsigned."""
    return lambda number: number if number <= kind.largest else wrong(kind)


def double_reader(kind: Kind) -> Read:
    """Returns a function that converts a float; -0 becomes 0."""
    return lambda number: number + 0.0 if math.isfinite(number) else wrong(kind)


def decimal_reader(kind: Decimal) -> Read:
    """Returns a function that converts a ``confluent.type.Decimal``, or a string."""
    pattern, unit = re.compile(kind.pattern), decimal.Decimal(1).scaleb(-kind.scale)

    def of_message(value: Mapping[int, Any]) -> decimal.Decimal:
        digits, scale = value.get(1, b""), signed(value.get(3, 0), 32)
        if not 1 <= len(digits) <= MAX_DECIMAL_BYTES or not 0 <= scale <= _LARGEST_SCALE:
            wrong(kind)
        unscaled = int.from_bytes(digits, "big", signed=True)
        if scale > kind.scale:
            unscaled, rest = divmod(unscaled, 10 ** (scale - kind.scale))
            if rest:
                wrong(kind)
        else:
            unscaled *= 10 ** (kind.scale - scale)
        if abs(unscaled) >= 10**kind.precision:
            wrong(kind)
        return decimal.Decimal(unscaled).scaleb(-kind.scale, context=DIGITS)

    def of_text(value: bytes) -> decimal.Decimal:
        text = value.decode("latin-1")
        if pattern.fullmatch(text) is None:
            wrong(kind)
        # -0 becomes 0.
        number = decimal.Decimal(text).quantize(unit, context=DIGITS)
        return number or abs(number)

    return lambda value: of_text(value) if isinstance(value, bytes) else of_message(value)


def day_of(value: Mapping[int, Any]) -> date:
    """Returns a ``google.type.Date``, which must be a whole date."""
    try:
        return date(*(signed(value.get(part, 0), 32) for part in (1, 2, 3)))
    except ValueError:
        raise Rejected(DeadLetterError.BAD_TIME) from None


def time_of(value: Mapping[int, Any]) -> datetime:
    """Returns a ``google.protobuf.Timestamp``; nanoseconds are cut off."""
    seconds, nanos = signed(value.get(1, 0), 64), signed(value.get(2, 0), 32)
    if not 0 <= nanos < _NANOS:
        raise Rejected(DeadLetterError.BAD_TIME)
    return time_at(seconds * 1_000_000 + nanos // 1000)


def time_at(micros: int) -> datetime:
    """Returns a time, given in microseconds since 1970."""
    if not FIRST_MICROS <= micros <= LAST_MICROS:
        raise Rejected(DeadLetterError.BAD_TIME)
    return _TIME_0 + timedelta(microseconds=micros)
