"""The types of a record's fields; ``field_type.FieldType`` is how they are declared."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self, assert_never, cast

from tandem.engine.declare.field_name import check_names

# ISO 8601 with `T` or a space, optional seconds, and behind seconds up to six digits of fraction and `Z` or an offset
# of at most 18 hours (Java's limit). Without an offset the time is UTC. The pattern comes before any cast: Spark's cast
# alone also accepts a bare year, a bare time, surrounding blanks and zone names, and it knows no offset without
# seconds. Written in the common subset of Java's and Python's syntax.
TIMESTAMP_PATTERN = (
    r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}"
    r"(:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-]((0[0-9]|1[0-7])(:?[0-5][0-9])?|18(:?00)?))?)?"
)
DATE_PATTERN = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
# Base64 of RFC 4648 with its padding; the length is a multiple of four, too.
BASE64_PATTERN = r"[A-Za-z0-9+/]*={0,2}"
# The years that ISO 8601 writes with four digits, 0001 to 9999, in microseconds since 1970.
FIRST_MICROS, LAST_MICROS = -62_135_596_800_000_000, 253_402_300_799_999_999
# The digits of MongoDB's Decimal128.
MAX_PRECISION = 34
# Python's own context would refuse numbers of more than 28 digits.
DIGITS = decimal.Context(prec=MAX_PRECISION)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A field's type.

    Attributes:
        is_optional: whether the field may be missing or null.
        fallback: the field's value then; None is null.
    """

    is_optional: bool = False
    fallback: Any = None

    def optional(self) -> Self:
        """Returns the type of a field that may be missing or null; it is null then."""
        return replace(self, is_optional=True)

    def default(self, value: Any) -> Self:
        """Returns the type of a field that has this value where it is missing or null.

        Args:
            value: a value as Python has it: ``Decimal``, ``date``, ``datetime`` with a time zone, ``bytes`` and so on.
                A list or a mapping must be empty.

        Raises:
            ValueError: the type has no such value.
        """
        return replace(self, is_optional=True, fallback=_checked(cast(Kind, self), value))


@dataclass(frozen=True)
class String(Declared):
    """A JSON string."""

    may_be_empty: bool = False

    def __str__(self) -> str:
        return "text" if self.may_be_empty else "string"


@dataclass(frozen=True)
class Boolean(Declared):
    """``true`` or ``false``."""

    def __str__(self) -> str:
        return "boolean"


@dataclass(frozen=True)
class Integer(Declared):
    """A JSON integer of so many bits; 5.0 and "5" are not."""

    bits: int = 64

    def __str__(self) -> str:
        return "integer" if self.bits == 64 else f"{self.bits}-bit integer"

    @property
    def largest(self) -> int:
        """The largest value; the smallest is one further from 0."""
        return int(2 ** (self.bits - 1)) - 1


@dataclass(frozen=True)
class Double(Declared):
    """Any finite JSON number, as the nearest number of 64 bits; -0 is 0."""

    def __str__(self) -> str:
        return "double"


@dataclass(frozen=True)
class Decimal(Declared):
    """A JSON number without an exponent, or a string of one, that fits exactly; a number has at most 38 digits."""

    precision: int
    scale: int

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= self.precision or not 1 <= self.precision <= MAX_PRECISION:
            raise ValueError(f"{self}: MongoDB has 1 to {MAX_PRECISION} digits, and as many or fewer are the scale")

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"

    @property
    def pattern(self) -> str:
        """What the text of such a number is; zeros may follow. In the common subset of Java's and Python's syntax."""
        whole = self.precision - self.scale
        digits = rf"(0|[1-9][0-9]{{0,{whole - 1}}})" if whole else "0"
        return rf"-?{digits}(\.(?=[0-9])[0-9]{{0,{self.scale}}}0*)?"


@dataclass(frozen=True)
class Date(Declared):
    """A JSON string like 2026-11-29."""

    def __str__(self) -> str:
        return "date"


class TimeUnit(StrEnum):
    """What a timestamp is written in."""

    ISO_8601 = "ISO 8601"  # a JSON string that matches TIMESTAMP_PATTERN and names a real time
    # JSON integers since 1970, UTC, of the years 0001 to 9999
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"

    @property
    def micros(self) -> int:
        """One unit, in microseconds."""
        return {"seconds": 1_000_000, "milliseconds": 1000}.get(self.value, 1)


@dataclass(frozen=True)
class Timestamp(Declared):
    """A time with microseconds."""

    unit: TimeUnit = TimeUnit.ISO_8601

    def __str__(self) -> str:
        return "timestamp" if self.unit is TimeUnit.ISO_8601 else f"timestamp in {self.unit}"


@dataclass(frozen=True)
class Bytes(Declared):
    """A JSON string in base64, which may be empty."""

    def __str__(self) -> str:
        return "bytes"


@dataclass(frozen=True)
class Enum(Declared):
    """A JSON string that is one of these."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if not all(isinstance(symbol, str) for symbol in self.symbols):
            raise ValueError("the symbols of an enum are strings, as in FieldType.enum('a', 'b')")
        if not self.symbols or len(set(self.symbols)) < len(self.symbols) or "" in self.symbols:
            raise ValueError("an enum has at least one symbol, none of them empty, and each once")

    def __str__(self) -> str:
        return "enum"


@dataclass(frozen=True)
class Record(Declared):
    """A JSON object with these fields; others are ignored."""

    fields: Mapping[str, Kind]

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        check_fields(self.fields)

    def __str__(self) -> str:
        return "record"


@dataclass(frozen=True)
class Array(Declared):
    """A JSON array, which may be empty."""

    items: Kind

    def __post_init__(self) -> None:
        _check_inside(self.items, "an item of an array")

    def __str__(self) -> str:
        return "array"


@dataclass(frozen=True)
class Map(Declared):
    """A JSON object with any keys, which MongoDB must be able to store: they have no character NUL."""

    values: Kind

    def __post_init__(self) -> None:
        _check_inside(self.values, "a value of a map")

    def __str__(self) -> str:
        return "map"


# Any type. Where a function looks at each of them, the type checker names those that it has forgotten.
Kind = String | Boolean | Integer | Double | Decimal | Date | Timestamp | Bytes | Enum | Record | Array | Map


def check_fields(fields: Mapping[str, Kind]) -> None:
    """Raises ValueError where there cannot be such fields, with the name."""
    check_names(fields)
    for name, kind in fields.items():
        _check_declared(kind, f"field {name!r}")


def _check_declared(kind: Kind, what: str) -> None:
    if not isinstance(kind, Declared):
        raise ValueError(f"{what}: {kind!r} is not a type of FieldType")


def _check_inside(kind: Kind, what: str) -> None:
    _check_declared(kind, what)
    if kind.is_optional:
        raise ValueError(f"{what} cannot be optional: MongoDB's connector leaves out what is null")


def _checked(kind: Kind, value: Any) -> Any:
    """Returns a default as an event's fields have it; raises ValueError where the type has no such value."""
    try:
        found = _default(kind, value)
    except (TypeError, ValueError, ArithmeticError):
        found = None
    if found is None:
        raise ValueError(f"{value!r} is no default of type {kind}")
    return found


def _default(kind: Kind, value: Any) -> Any:
    match kind:
        case String():
            return value if type(value) is str and (value or kind.may_be_empty) else None
        case Enum():
            return value if value in kind.symbols else None
        case Boolean():
            return value if type(value) is bool else None
        case Integer():
            return value if type(value) is int and -kind.largest - 1 <= value <= kind.largest else None
        case Double():
            return float(value) + 0.0 if type(value) in (int, float) and abs(value) < float("inf") else None
        case Decimal():
            exact = decimal.Decimal(value)
            rounded = exact.quantize(decimal.Decimal(1).scaleb(-kind.scale), context=DIGITS)
            fits = rounded == exact and len(rounded.as_tuple().digits) <= kind.precision
            # There is one zero.
            return (rounded or abs(rounded)) if fits and type(value) in (int, str, decimal.Decimal) else None
        case Date():
            return value if type(value) is date else None
        case Timestamp():
            return (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else None
        case Bytes():
            return value if type(value) is bytes else None
        case Array():
            return [] if isinstance(value, list | tuple) and not value else None
        case Map():
            return {} if isinstance(value, Mapping) and not value else None
        case Record():
            return None
        case _:
            assert_never(kind)
