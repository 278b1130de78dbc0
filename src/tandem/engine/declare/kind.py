"""The classes of field types; pipelines declare them through ``field_type.FieldType``."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self, assert_never, cast

from tandem.engine.declare.field_name import check_names

# ISO 8601 with `T` or a space and optional seconds. After the seconds: up to six digits of fraction, then `Z` or an
# offset of at most 18 hours (Java's limit). Without an offset the time is UTC. The pattern is checked before any cast,
# because Spark's cast also accepts a bare year, a bare time, surrounding blanks and zone names, and rejects an offset
# without seconds. The syntax is common to Java and Python.
TIMESTAMP_PATTERN = (
    r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}"
    r"(:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-]((0[0-9]|1[0-7])(:?[0-5][0-9])?|18(:?00)?))?)?"
)
DATE_PATTERN = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
# Base64 of RFC 4648 with padding; the length is checked separately: a multiple of four.
BASE64_PATTERN = r"[A-Za-z0-9+/]*={0,2}"
# The years that ISO 8601 writes with four digits, 0001 to 9999, in microseconds since 1970.
FIRST_MICROS, LAST_MICROS = -62_135_596_800_000_000, 253_402_300_799_999_999
# The precision of MongoDB's Decimal128, in digits, and bytes enough for them.
MAX_PRECISION, MAX_DECIMAL_BYTES = 34, 16
# Python's default context rejects numbers of more than 28 digits.
DIGITS = decimal.Context(prec=MAX_PRECISION)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A field's type.

    Attributes:
        is_optional: whether the field may be missing or null.
        fallback: the value of a missing or null field; None is null.
    """

    is_optional: bool = False
    fallback: Any = None

    def optional(self) -> Self:
        """Returns the type of a field that may be missing; it is null then."""
        return replace(self, is_optional=True)

    def default(self, value: Any) -> Self:
        """Returns the type of a field that gets this value if it is missing or null.

        Args:
            value: a Python value: ``Decimal``, ``date``, ``datetime`` with a time zone, ``bytes`` and so on. A list or
                a mapping must be empty.

        Raises:
            ValueError: the value is not of this type.
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
    """A JSON integer of at most ``bits`` bits; 5.0 and "5" are not accepted."""

    bits: int = 64

    def __str__(self) -> str:
        return "integer" if self.bits == 64 else f"{self.bits}-bit integer"

    @property
    def largest(self) -> int:
        """The largest value; the smallest one is ``-largest - 1``."""
        return int(2 ** (self.bits - 1)) - 1


@dataclass(frozen=True)
class Double(Declared):
    """Any finite JSON number, as the nearest 64-bit float; -0 becomes 0."""

    def __str__(self) -> str:
        return "double"


@dataclass(frozen=True)
class Decimal(Declared):
    """An exact JSON number without an exponent, or a string that contains one.

    It is never rounded. A number, unlike a string, has at most 38 digits. With ``in_bytes`` it is a string in base64
    instead: the digits without the point, as a big-endian integer in two's complement.
    """

    precision: int
    scale: int
    in_bytes: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= self.precision or not 1 <= self.precision <= MAX_PRECISION:
            raise ValueError(f"{self}: the precision must be 1 to {MAX_PRECISION}, and the scale 0 to the precision")

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale}){' in bytes' if self.in_bytes else ''}"

    @property
    def pattern(self) -> str:
        """The pattern of such a number, for Java and Python; it allows trailing zeros."""
        whole = self.precision - self.scale
        digits = rf"(0|[1-9][0-9]{{0,{whole - 1}}})" if whole else "0"
        return rf"-?{digits}(\.(?=[0-9])[0-9]{{0,{self.scale}}}0*)?"


@dataclass(frozen=True)
class Date(Declared):
    """A JSON string like 2026-11-29."""

    def __str__(self) -> str:
        return "date"


class TimeUnit(StrEnum):
    """The form of a timestamp in a record."""

    ISO_8601 = "ISO 8601"  # a JSON string that matches TIMESTAMP_PATTERN and names a real time
    # JSON integers since 1970, UTC, of the years 0001 to 9999
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"

    @property
    def micros(self) -> int:
        """The length of the unit in microseconds."""
        return {"seconds": 1_000_000, "milliseconds": 1000}.get(self.value, 1)


@dataclass(frozen=True)
class Timestamp(Declared):
    """A time with a precision of microseconds."""

    unit: TimeUnit = TimeUnit.ISO_8601

    def __str__(self) -> str:
        return "timestamp" if self.unit is TimeUnit.ISO_8601 else f"timestamp in {self.unit}"


@dataclass(frozen=True)
class Bytes(Declared):
    """A JSON string in base64; it may be empty."""

    def __str__(self) -> str:
        return "bytes"


@dataclass(frozen=True)
class Enum(Declared):
    """A JSON string that is one of the symbols."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if not all(isinstance(symbol, str) for symbol in self.symbols):
            raise ValueError("the symbols of an enum must be strings, as in FieldType.enum('a', 'b')")
        if not self.symbols or len(set(self.symbols)) < len(self.symbols) or "" in self.symbols:
            raise ValueError("an enum needs at least one symbol; no symbol may be empty or repeated")

    def __str__(self) -> str:
        return "enum"


@dataclass(frozen=True)
class Record(Declared):
    """A JSON object with these fields; other fields are ignored."""

    fields: Mapping[str, Kind]

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        check_fields(self.fields)

    def __str__(self) -> str:
        return "record"


@dataclass(frozen=True)
class Array(Declared):
    """A JSON array; it may be empty."""

    items: Kind

    def __post_init__(self) -> None:
        _check_inside(self.items, "an item of an array")

    def __str__(self) -> str:
        return "array"


@dataclass(frozen=True)
class Map(Declared):
    """A JSON object with any keys that MongoDB can store: without the character NUL."""

    values: Kind

    def __post_init__(self) -> None:
        _check_inside(self.values, "a value of a map")

    def __str__(self) -> str:
        return "map"


# Any type. A function with a case for each type ends with ``assert_never``: the type checker reports a missing case.
Kind = String | Boolean | Integer | Double | Decimal | Date | Timestamp | Bytes | Enum | Record | Array | Map


def check_fields(fields: Mapping[str, Kind]) -> None:
    """Raises ValueError if a field's name or type is not valid.

    The message names the field.
    """
    check_names(fields)
    for name, kind in fields.items():
        _check_declared(kind, f"field {name!r}")


def _check_declared(kind: Kind, what: str) -> None:
    if not isinstance(kind, Declared):
        raise ValueError(f"{what}: {kind!r} is not a type of FieldType")


def _check_inside(kind: Kind, what: str) -> None:
    _check_declared(kind, what)
    if kind.is_optional:
        raise ValueError(f"{what} cannot be optional: MongoDB's connector drops null values")


def _checked(kind: Kind, value: Any) -> Any:
    """Returns a default in the form of an event's field.

    Raises ValueError if it is not of the type.
    """
    try:
        found = _default(kind, value)
    except (TypeError, ValueError, ArithmeticError):
        found = None
    if found is None:
        raise ValueError(f"{value!r} cannot be a default of type {kind}")
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
            # -0 becomes 0.
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
