"""Converts Protobuf values that have no parts.

It is independent of ``engine.read.protobuf_scalars``. Each function raises ``Refused`` for a value that cannot be of
the declared type.
"""

from __future__ import annotations

from datetime import date
from decimal import Context
from decimal import Decimal as Exact
from typing import Any

from tandem.engine.declare.kind import FIRST_MICROS, LAST_MICROS, MAX_DECIMAL_BYTES, Decimal, Enum, Integer
from tandem.engine.declare.stream import DeadLetterError
from tandem.verify.avro_scalars import wrong
from tandem.verify.decimal_values import by_digits
from tandem.verify.field_values import Read, Refused

_LARGEST_SCALE, _MANY_DIGITS = 38, Context(prec=100)


def integer_reader(kind: Integer) -> Read:
    """Returns a function that converts an integer; an unsigned one may be too large."""
    return lambda value: value if -kind.largest - 1 <= value <= kind.largest else wrong()


def enum_reader(kind: Enum, names: dict[int, list[str]]) -> Read:
    """Returns a function that converts an enum's number, given the names of each."""

    def read(value: int) -> str:
        declared = [name for name in names.get(value, ()) if name in kind.symbols]
        return declared[0] if declared else wrong()

    return read


def text_enum_reader(kind: Enum) -> Read:
    """Returns a function that converts a string."""
    symbols = {symbol.encode(): symbol for symbol in kind.symbols}
    return lambda value: symbols[value] if value in symbols else wrong()


def text_decimal_reader(kind: Decimal) -> Read:
    """Returns a function that converts a string."""
    read_digits = by_digits(kind)

    def read(value: bytes) -> Exact:
        number = read_digits(value.decode(errors="replace"))
        return wrong() if number is None else number

    return read


def decimal_reader(kind: Decimal) -> Read:
    """Returns a function that converts a ``confluent.type.Decimal``."""
    unit = Exact(1).scaleb(-kind.scale)

    def read(value: Any) -> Exact:
        if not 1 <= len(value.f1) <= MAX_DECIMAL_BYTES or not 0 <= value.f3 <= _LARGEST_SCALE:
            wrong()
        exact = Exact(int.from_bytes(value.f1, "big", signed=True)).scaleb(-value.f3, _MANY_DIGITS)
        found = exact.quantize(unit, context=_MANY_DIGITS)
        fits = found == exact and len(found.as_tuple().digits) <= kind.precision
        return found if fits or found == exact == 0 else wrong()

    return read


def day(value: Any) -> date:
    """Returns a ``google.type.Date``."""
    try:
        return date(value.f1, value.f2, value.f3)
    except ValueError:
        raise Refused(DeadLetterError.BAD_TIME) from None


def time(value: Any) -> int:
    """Returns a ``google.protobuf.Timestamp`` in microseconds since 1970."""
    if not 0 <= value.f2 <= 999_999_999:
        raise Refused(DeadLetterError.BAD_TIME)
    return checked(value.f1 * 1_000_000 + value.f2 // 1000)


def checked(micros: int) -> int:
    """Returns a time in microseconds since 1970, which must be of the years 1 to 9999."""
    if not FIRST_MICROS <= micros <= LAST_MICROS:
        raise Refused(DeadLetterError.BAD_TIME)
    return micros
