"""Converts decoded Avro values that have no parts.

It is independent of ``engine.read.avro_values``. Each function raises ``Refused`` for a value
that cannot be of the declared type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NoReturn

from tandem.engine.declare.kind import FIRST_MICROS, LAST_MICROS, MAX_DECIMAL_BYTES, Decimal, Enum, String
from tandem.engine.declare.stream import DeadLetterError
from tandem.verify.decimal_values import by_bytes
from tandem.verify.field_values import Refused, least

# Converts a decoded value that is not None.
Read = Callable[[Any], Any]
_EPOCH, _LAST = date(1970, 1, 1).toordinal(), date.max.toordinal()


def wrong(_: Any = None) -> NoReturn:
    """Refuses a value."""
    raise Refused(DeadLetterError.WRONG_TYPE)


def same(value: Any) -> Any:
    """Returns a value that needs no conversion."""
    return value


def text(value: bytes) -> str:
    """Returns the text of its bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refused(DeadLetterError.NOT_UTF8) from None


def map_of(entries: Mapping[bytes, Any], read_value: Read) -> dict[str, Any]:
    """Returns the converted entries of a map.

    Of several reasons to refuse it, the result is that of ``least``.
    """
    found: dict[str, Any] = {}
    reasons: list[Refused] = []
    for key, each in entries.items():
        try:
            name = text(key)
            if "\0" in name:  # not possible in the name of a MongoDB field
                wrong()
        except Refused as refused:
            reasons.append(refused)
            name = ""
        try:
            found[name] = read_value(each)
        except Refused as refused:
            reasons.append(refused.inside("[*]"))
    if reasons:
        raise least(reasons)
    return found


def text_reader(kind: String) -> Read:
    """Returns a function that converts a string."""

    def read(value: bytes) -> str:
        found = text(value)
        if not found and not kind.may_be_empty:
            raise Refused(DeadLetterError.EMPTY_FIELD)
        return found

    return read


def enum_reader(kind: Enum) -> Read:
    """Returns a function that converts a symbol or a string."""
    symbols = {symbol.encode(): symbol for symbol in kind.symbols}

    def read(value: str | bytes) -> str:
        found = symbols.get(value.encode() if isinstance(value, str) else value)
        return wrong() if found is None else found

    return read


def double(value: float) -> float:
    """Returns a number."""
    # -0 becomes 0.
    return value + 0.0 if math.isfinite(value) else wrong()


def decimal_reader(kind: Decimal, avro: dict[str, Any]) -> Read | None:
    """Returns a function that converts the bytes of a number.

    None if numbers of the Avro type cannot be of the declared type.
    """
    precision, scale = avro.get("precision"), avro.get("scale", 0)
    is_stored = avro["type"] == "bytes" or (avro["type"] == "fixed" and avro["size"] <= MAX_DECIMAL_BYTES)
    if not is_stored or type(precision) is not int or precision > kind.precision or scale != kind.scale:
        return None
    of_bytes = by_bytes(kind)

    def read(value: bytes) -> Any:
        number = of_bytes(value)
        return wrong() if number is None else number

    return read


def day(days: int) -> date:
    """Returns a date, given the days since 1970."""
    if not 1 <= days + _EPOCH <= _LAST:
        raise Refused(DeadLetterError.BAD_TIME)
    return date.fromordinal(days + _EPOCH)


def time_reader(unit: int) -> Read:
    """Returns a function that converts a time to microseconds.

    Args:
        unit: the length of its unit in microseconds.
    """

    def read(value: int) -> int:
        micros = value * unit
        if not FIRST_MICROS <= micros <= LAST_MICROS:
            raise Refused(DeadLetterError.BAD_TIME)
        return micros

    return read
