"""Converts exact numbers."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from tandem.engine.declare.kind import MAX_DECIMAL_BYTES, Decimal
from tandem.engine.declare.spark_type import spark_type
from tandem.engine.read.expressions import let, matching


def decimal_of_text(kind: Decimal, text: Column) -> Column:
    """Returns the number that a text spells; null if it does not fit."""
    return matching(text, kind.pattern, text.cast(spark_type(kind)))


def decimal_of_bytes(kind: Decimal, value: Column) -> Column:
    """Returns the number of bytes in two's complement, without its point.

    Null if it does not fit.
    """
    digits = let(value, _hex)
    text = let(digits, lambda found: _unscaled(found, kind.scale))
    return let(text, lambda found: decimal_of_text(kind, found))


def _hex(value: Column) -> Column:
    """Returns the bytes of a decimal as hexadecimal digits.

    Null if there are none, or too many.
    """
    return F.when(F.length(value).between(1, MAX_DECIMAL_BYTES), F.hex(value))


def _unscaled(digits: Column, scale: int) -> Column:
    """Returns the text of a number, given its bytes as hexadecimal digits."""
    negative = digits >= "8"
    whole = F.when(negative, F.lpad(digits, 2 * MAX_DECIMAL_BYTES, "F")).otherwise(
        F.lpad(digits, 2 * MAX_DECIMAL_BYTES, "0")
    )
    # Spark converts at most 64 bits. The upper half has the sign.
    upper, lower = F.conv(F.left(whole, F.lit(16)), 16, -10), F.conv(F.right(whole, F.lit(16)), 16, 10)
    number = F.try_add(
        F.try_multiply(upper.cast("decimal(20,0)"), F.lit(str(2**64)).cast("decimal(20,0)")),
        lower.cast("decimal(20,0)"),
    )
    return let(number, lambda found: _with_point(found, scale))


def _with_point(number: Column, scale: int) -> Column:
    """Returns the text of an integer divided by a power of ten."""
    text = F.abs(number).cast("string")
    digits = F.when(F.length(text) > scale, text).otherwise(F.lpad(text, scale + 1, "0"))
    sign = F.when(number < 0, "-").otherwise("")
    whole, fraction = F.left(digits, F.length(digits) - scale), F.right(digits, F.lit(scale))
    return F.concat(sign, whole, F.lit("."), fraction) if scale else F.concat(sign, whole)
