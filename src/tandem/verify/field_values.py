"""Reads a JSON record, independently of ``engine.read.typed_values``."""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal as Exact
from functools import lru_cache
from typing import Any, NoReturn, assert_never

from tandem.engine.declare.kind import (
    BASE64_PATTERN,
    DATE_PATTERN,
    FIRST_MICROS,
    LAST_MICROS,
    TIMESTAMP_PATTERN,
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
from tandem.engine.declare.stream import DeadLetterError
from tandem.verify.decimal_values import by_bytes, by_digits
from tandem.verify.strict_json import Number

_TIMESTAMP = re.compile(TIMESTAMP_PATTERN)
_DATE, _BASE64 = re.compile(DATE_PATTERN), re.compile(BASE64_PATTERN)
_EPOCH = date(1970, 1, 1).toordinal()

# Converts a JSON value that is not None to the field's value.
Read = Callable[[Any], Any]


class Refused(Exception):
    """A record is rejected: the error code, and the path of the field, if any."""

    def __init__(self, error: DeadLetterError, path: str = "") -> None:
        super().__init__(error)
        self.error, self.path = error, path

    def inside(self, outer: str) -> Refused:
        """Returns the same error with a longer path: of the outer field and this one."""
        return Refused(self.error, outer + self.path)


def fields_reader(fields: Mapping[str, Kind], mark: str = "") -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Returns a function that reads the declared fields of a JSON object.

    Missing fields are None.

    A timestamp is in microseconds since 1970, UTC. The function raises ``Refused`` for the first invalid field in the
    declared order.

    Args:
        fields: the declared fields.
        mark: the text before a name in a path; a dot inside another record.
    """
    parts = tuple((name, mark + name, reader(kind), kind.is_optional, kind.fallback) for name, kind in fields.items())

    def read(document: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, path, read_one, is_optional, fallback in parts:
            value = document.get(name)
            if value is not None:
                try:
                    values[name] = read_one(value)
                except Refused as refused:
                    raise refused.inside(path) from None
            elif is_optional:
                values[name] = fallback
            else:
                raise Refused(DeadLetterError.NULL_FIELD if name in document else DeadLetterError.MISSING_FIELD, path)
        return values

    return read


def reader(kind: Kind) -> Read:
    """Returns a function that converts a JSON value; it raises ``Refused``."""
    match kind:
        case String():
            return _text if kind.may_be_empty else _string
        case Boolean():
            return lambda value: value if type(value) is bool else _wrong()
        case Integer():
            least, most = -kind.largest - 1, kind.largest
            return lambda value: value if type(value) is int and least <= value <= most else _wrong()
        case Double():
            return _double
        case Decimal():
            return _decimal(kind)
        case Date():
            return _date
        case Timestamp():
            return _timestamp if kind.unit is TimeUnit.ISO_8601 else _epoch(kind.unit.micros)
        case Bytes():
            return _bytes
        case Enum():
            symbols = frozenset(kind.symbols)
            return lambda value: value if type(value) is str and value in symbols else _wrong()
        case Record():
            read = fields_reader(kind.fields, ".")
            return lambda value: read(value) if type(value) is dict else _wrong()
        case Array():
            return array_reader(reader(kind.items))
        case Map():
            return _map(reader(kind.values))
        case _:
            assert_never(kind)


def _wrong() -> NoReturn:
    raise Refused(DeadLetterError.WRONG_TYPE)


def _text(value: Any) -> str:
    if type(value) is not str:
        _wrong()
    return value


def _string(value: Any) -> str:
    text = _text(value)
    if not text:
        raise Refused(DeadLetterError.EMPTY_FIELD)
    return text


def _double(value: Any) -> float:
    if type(value) not in (int, Number):
        _wrong()
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _wrong()
    # -0 becomes 0.
    return number + 0.0


def _decimal(kind: Decimal) -> Read:
    of_digits, of_bytes = by_digits(kind), by_bytes(kind)

    def read(value: Any) -> Exact:
        if kind.in_bytes:
            number = of_bytes(_bytes(value))
        else:
            number = of_digits(value) if type(value) in (str, int, Number) else None
        return _wrong() if number is None else number

    return read


def _date(value: Any) -> date:
    if _DATE.fullmatch(_text(value)):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Refused(DeadLetterError.BAD_TIME)


def _timestamp(value: Any) -> int:
    time = micros(_text(value))
    if time is None:
        raise Refused(DeadLetterError.BAD_TIME)
    return time


def _epoch(unit: int) -> Read:
    def read(value: Any) -> int:
        # Larger integers of JSON do not fit into 64 bits.
        if type(value) is not int or not -(2**63) <= value < 2**63:
            _wrong()
        time: int = value * unit
        if not FIRST_MICROS <= time <= LAST_MICROS:
            raise Refused(DeadLetterError.BAD_TIME)
        return time

    return read


def _bytes(value: Any) -> bytes:
    if len(_text(value)) % 4 or _BASE64.fullmatch(value) is None:
        _wrong()
    return binascii.a2b_base64(value)


def array_reader(read_item: Read) -> Read:
    """Returns a function that converts a list, given that for an item."""

    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            _wrong()
        found: list[Any] = []
        for number, item in enumerate(value):
            try:
                found.append(present(item, read_item))
            except Refused as refused:
                raise refused.inside(f"[{number}]") from None
        return found

    return read


def _map(read_value: Read) -> Read:
    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            _wrong()
        found: dict[str, Any] = {}
        # The reason must not depend on the order of the keys, so it is the least one, not the first.
        reasons: list[Refused] = []
        for key, each in value.items():
            if "\0" in key:  # not possible in the name of a MongoDB field
                reasons.append(Refused(DeadLetterError.WRONG_TYPE))
            try:
                found[key] = present(each, read_value)
            except Refused as refused:
                reasons.append(refused.inside("[*]"))
        if reasons:
            raise least(reasons)
        return found

    return read


def least(reasons: list[Refused]) -> Refused:
    """Returns the first reason in an order that does not depend on a map's keys."""
    return min(reasons, key=_detail)


def _detail(refused: Refused) -> tuple[str, str]:
    """Returns the text by which the engine orders reasons: path and type."""
    return refused.error, refused.path + (":" if refused.error is DeadLetterError.WRONG_TYPE else "")


def present(value: Any, read: Read) -> Any:
    """Returns a converted value; null is refused."""
    if value is None:
        raise Refused(DeadLetterError.NULL_FIELD)
    return read(value)


def micros(text: str) -> int | None:
    """Returns a timestamp in microseconds since 1970, UTC.

    None if it is not a valid time.

    It computes with integers, because an offset may move the time out of the range of ``datetime``.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, zone = match[1], match[2], match[3]
    if zone and not seconds:  # the engine's cast accepts an offset only after seconds
        return None
    minute = _minute(text[:16])
    second = int(seconds[1:3]) if seconds else 0
    if minute is None or second > 59:
        return None
    total = minute * 60 + second
    if zone and zone != "Z":
        total -= _offset(zone)
    return total * 1_000_000 + (int(fraction[1:].ljust(6, "0")) if fraction else 0)


@lru_cache(maxsize=4096)
def _minute(text: str) -> int | None:
    # Cached, because events of a minute arrive together.
    hour, minute = int(text[11:13]), int(text[14:16])
    if hour > 23 or minute > 59:
        return None
    try:
        day = date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return None
    return ((day.toordinal() - _EPOCH) * 24 + hour) * 60 + minute


def _offset(zone: str) -> int:
    digits = zone[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds
