"""Reads exact numbers, independently of ``engine.read.typed_values``."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal as Exact

from tandem.engine.declare.kind import DIGITS, MAX_DECIMAL_BYTES, Decimal
from tandem.verify.strict_json import Number

# The largest number of digits that Spark's parser keeps exactly, in a number and in its fraction.
_EXACT_DIGITS = 38


def by_digits(kind: Decimal) -> Callable[[str | int | Number], Exact | None]:
    """Returns a function that converts a JSON number or string.

    It returns None if that does not fit.
    """
    pattern, unit = re.compile(kind.pattern), Exact(1).scaleb(-kind.scale)

    def read(value: str | int | Number) -> Exact | None:
        text = str(value)
        if pattern.fullmatch(text) is None or (type(value) is Number and not _is_exact(text)):
            return None
        # -0 becomes 0.
        number = Exact(text).quantize(unit, context=DIGITS)
        return number if number else abs(number)

    return read


def by_bytes(kind: Decimal) -> Callable[[bytes], Exact | None]:
    """Returns a function that converts the bytes of a number without its point.

    It returns None if they do not fit.
    """

    def read(value: bytes) -> Exact | None:
        unscaled = int.from_bytes(value, "big", signed=True)
        fits = 1 <= len(value) <= MAX_DECIMAL_BYTES and abs(unscaled) < 10**kind.precision
        return Exact(unscaled).scaleb(-kind.scale, context=DIGITS) if fits else None

    return read


def _is_exact(number: str) -> bool:
    whole, _, fraction = number.lstrip("-").partition(".")
    return len(fraction) <= _EXACT_DIGITS and len((whole + fraction).lstrip("0")) <= _EXACT_DIGITS
