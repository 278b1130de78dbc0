"""Infers the types of numbers: integers, times, decimals and floats."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import MAX_PRECISION, Kind, Timestamp
from tandem.scaffold.infer.observed import ObservedValues
from tandem.scaffold.infer.words import is_money_like, is_number_like, is_time_like, words_of

# In seconds since 1970: the times that a field named like a time may have, and those that any other field may have.
_OF_TIMES = (631_152_000, 4_102_444_800)  # 1990 to 2100
_OF_OTHERS = (978_307_200, 2_524_608_000)  # 2001 to 2050
_UNITS = (
    (1, FieldType.EPOCH_SECONDS),
    (1000, FieldType.EPOCH_MILLISECONDS),
    (1_000_000, FieldType.EPOCH_MICROSECONDS),
)
_UNIT_NAMES = (
    ({"s", "sec", "secs", "second", "seconds"}, FieldType.EPOCH_SECONDS),
    ({"ms", "milli", "millis", "milliseconds"}, FieldType.EPOCH_MILLISECONDS),
    ({"us", "micro", "micros", "microseconds"}, FieldType.EPOCH_MICROSECONDS),
)
_AMOUNT = re.compile(r"-?(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?")
_LARGEST = 2**63 - 1
# Amounts of money may be larger than those in the samples: so many digits are declared at least.
_DIGITS = 12
_CENTS = 2
_MOST_FIXED = 4
# Spark's parser keeps no more digits of a number.
_EXACT_DIGITS = 38


def kind_of_integers(seen: ObservedValues, name: str) -> Kind | None:
    """Returns the type of a field with integers alone; None where there is none."""
    least, most = seen.integers or (0, 0)
    if least >= -_LARGEST - 1 and most <= _LARGEST:
        return _epoch(least, most, name) or FieldType.INTEGER
    if seen.whole_digits <= MAX_PRECISION:
        return FieldType.decimal(MAX_PRECISION, 0)
    return _double(seen)


def kind_of_numbers(seen: ObservedValues, name: str) -> Kind | None:
    """Returns the type of a field with fractions or exponents, else None.

    A decimal is exact, and refuses more digits than it has. So only amounts of money are decimals: a few samples of
    anything else do not show how many digits another record has.
    """
    scale = _scale(seen, name)
    if scale is None or seen.has_exponent or seen.exact_digits > _EXACT_DIGITS:
        return _double(seen)
    needed = seen.whole_digits + scale
    if needed > MAX_PRECISION:
        return _double(seen)
    return FieldType.decimal(min(max(_DIGITS, needed + 1), MAX_PRECISION), scale)


def kind_of_unit(unit: str) -> Timestamp | None:
    """Returns the type of times in a unit such as ``ms``; None for another word."""
    return next((kind for names, kind in _UNIT_NAMES if unit in names), None)


def kind_of_times(values: Sequence[int], name: str) -> Kind | None:
    """Returns the type of integers that are times since 1970.

    It depends on their size, else on the unit in the field's name.
    """
    if not values:
        return next(filter(None, map(kind_of_unit, words_of(name))), None)
    return _fitting(min(values), max(values), _OF_TIMES, _UNITS)


def kind_of_amounts(texts: Collection[str], name: str) -> Kind | None:
    """Returns the type of strings that are amounts of money with fractions, else None."""
    found = [_AMOUNT.fullmatch(text) for text in texts]
    amounts = [each for each in found if each]
    if not is_money_like(name) or len(amounts) < len(found):
        return None
    scale = max((len(each["fraction"]) for each in amounts if each["fraction"]), default=0)
    needed = max(len(each["whole"]) for each in amounts) + max(scale, _CENTS)
    if not 0 < scale <= _MOST_FIXED or needed > MAX_PRECISION:
        return None
    return FieldType.decimal(min(max(_DIGITS, needed + 1), MAX_PRECISION), max(scale, _CENTS))


def undeclared_time(seen: ObservedValues, name: str, kind: Kind) -> str | None:
    """Returns why numbers that seem to be times are not declared as times.

    None if they do not seem to be.
    """
    least, most = seen.integers or (0, 0)
    if not is_time_like(name):
        return None
    if not seen.fraction_digits and _fitting(least, most, _OF_TIMES, ((10**9, FieldType.INTEGER),)):
        return "no time has nanoseconds"
    if seen.fraction_digits and _OF_TIMES[0] <= seen.largest < _OF_TIMES[1]:
        return "a time since 1970 is an integer"
    if not seen.fraction_digits and not isinstance(kind, Timestamp):
        return "its integers are no times from 1990 to 2100"
    return None


def looks_like_cents(seen: ObservedValues) -> bool:
    """Returns whether all fractions have two digits, as amounts of money have."""
    return set(seen.fraction_digits) == {_CENTS} and not seen.has_exponent


def _scale(seen: ObservedValues, name: str) -> int | None:
    most = max(seen.fraction_digits, default=0)
    return max(most, _CENTS) if is_money_like(name) and most <= _MOST_FIXED else None


def _double(seen: ObservedValues) -> Kind | None:
    return FieldType.DOUBLE if seen.largest < float("inf") else None


def _epoch(least: int, most: int, name: str) -> Kind | None:
    """Returns the type of a time since 1970, by the size of the numbers.

    None where they are no times.
    """
    if is_number_like(name):
        return None
    of_times = _OF_TIMES if is_time_like(name) else _OF_OTHERS
    # What is named otherwise and has the size of seconds may be anything.
    units = _UNITS if is_time_like(name) else _UNITS[1:]
    return _fitting(least, most, of_times, units)


def _fitting(least: int, most: int, seconds: tuple[int, int], units: Sequence[tuple[int, Kind]]) -> Kind | None:
    """Returns the unit of times in these seconds since 1970; None if none fits."""
    first, last = seconds
    return next((kind for unit, kind in units if first * unit <= least and most < last * unit), None)
