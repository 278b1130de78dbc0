"""Finds the declared fields in the records of an Avro schema, without Spark."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, assert_never

from tandem.engine.declare.avro_source import AvroReading, AvroSource, SourceProblem
from tandem.engine.declare.avro_types import fits, without_null
from tandem.engine.declare.kind import (
    DIGITS,
    MAX_DECIMAL_BYTES,
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
)

_DAY_0, _TIME_0 = date(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)


def sources(
    fields: Mapping[str, Kind], written: Mapping[str, Any], newest: Mapping[str, Any]
) -> Mapping[str, AvroSource]:
    """Returns the sources of declared fields in the records of one schema.

    A source is the field of the same name or of an alias, else the default in the newest schema. A default that is not
    valid for the declared type is none.

    Args:
        fields: the declared fields.
        written: the schema of the records, or of a record inside them, without names of types.
        newest: the same of the newest schema, which has the defaults and the aliases.
    """
    own, current = _by_name(written), _by_name(newest)
    return {name: _source(name, kind, own, current.get(name)) for name, kind in fields.items()}


def _source(
    name: str, kind: Kind, written: Mapping[str, Mapping[str, Any]], newest: Mapping[str, Any] | None
) -> AvroSource:
    if newest is None:
        return AvroSource(kind, problem=SourceProblem.UNKNOWN)
    for candidate in (name, *(newest.get("aliases") or ())):
        if candidate in written:
            return _typed(kind, written[candidate]["type"], newest["type"], candidate)
    default = _default_or_none(kind, newest)
    if default is None and not kind.is_optional:
        return AvroSource(kind, problem=SourceProblem.MISSING)
    return AvroSource(kind, default=kind.fallback if default is None else default)


def _typed(kind: Kind, written: Any, newest: Any, name: str = "") -> AvroSource:
    """Returns the source of a value of an Avro type: a field, item or map's value."""
    avro = without_null(written)
    if avro is None or not fits(kind, avro):
        return AvroSource(kind, name, problem=SourceProblem.WRONG_TYPE)
    # The newest type may be another one; then it has no aliases and defaults for this one.
    other = without_null(newest)
    if other is None or other["type"] != avro["type"]:
        other = avro
    match kind:
        case Record():
            return AvroSource(kind, name, AvroReading(kind, avro, sources(kind.fields, avro, other)))
        case Array():
            items = _typed(kind.items, avro["items"], other["items"])
            return AvroSource(kind, name, AvroReading(kind, avro, inner=items))
        case Map():
            values = _typed(kind.values, avro["values"], other["values"])
            return AvroSource(kind, name, AvroReading(kind, avro, inner=values))
        case _:
            return AvroSource(kind, name, AvroReading(kind, avro))


def _by_name(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {each["name"]: each for each in record["fields"]}


def _default_or_none(kind: Kind, newest: Mapping[str, Any]) -> Any:
    """Returns the default of a field of the newest schema.

    None if there is none, or if it is not valid for the declared type.
    """
    source = _typed(kind, newest["type"], newest["type"])
    if source.reading is None or newest.get("default") is None:
        return None
    try:
        return _default(source.reading, newest["default"])
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        return None


def _default(reading: AvroReading, value: Any) -> Any:
    """Returns a default in the form of an event's field.

    Raises ValueError and others if it is not valid.
    """
    kind = reading.kind
    match kind:
        case Record():
            defaults = {each["name"]: each.get("default") for each in reading.avro["fields"]}
            given = {name: value.get(name, defaults.get(name)) for name in kind.fields}
            return {name: _inside(source, given[name]) for name, source in reading.fields.items()}
        case Array():
            return [_inside(reading.inner, each) for each in _checked(value, list)]
        case Map():
            return {name: _inside(reading.inner, each) for name, each in _checked(value, dict).items()}
        case Bytes():
            return value.encode("latin-1")
        case Decimal():
            digits = value.encode("latin-1")
            if not 1 <= len(digits) <= MAX_DECIMAL_BYTES:
                raise ValueError("not the bytes of a decimal")
            number = int.from_bytes(digits, "big", signed=True)
            return kind.default(decimal.Decimal(number).scaleb(-kind.scale, context=DIGITS)).fallback
        case Date():
            return _DAY_0 + timedelta(days=_checked(value, int))
        case Timestamp():
            return kind.default(_TIME_0 + timedelta(microseconds=_checked(value, int) * reading.micros)).fallback
        case String() | Enum() | Boolean() | Integer() | Double():
            return kind.default(value).fallback
        case _:
            assert_never(kind)


def _inside(source: AvroSource | None, value: Any) -> Any:
    if source is None or source.reading is None or (value is None and not source.kind.is_optional):
        raise ValueError("a part of the default has no value")
    return source.kind.fallback if value is None else _default(source.reading, value)


def _checked(value: Any, wanted: type) -> Any:
    if type(value) is not wanted:
        raise TypeError(f"not of type {wanted}")
    return value
