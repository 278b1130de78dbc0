"""Converts decoded Avro values to declared types.

It is independent of ``engine.read.avro_values``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, assert_never

from tandem.engine.declare.kind import (
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
from tandem.verify.avro_default import decoded
from tandem.verify.avro_scalars import (
    Read,
    day,
    decimal_reader,
    double,
    enum_reader,
    map_of,
    same,
    text_reader,
    time_reader,
    wrong,
)
from tandem.verify.field_values import Refused, array_reader, present

_Fields = Mapping[str, Mapping[str, Any]]
_UNITS = {"timestamp-millis": 1000, "timestamp-micros": 1}
_INTEGERS = {64: ("int", "long"), 32: ("int",)}


def reader(kind: Kind, written: Any, newest: Any) -> Read | None:
    """Returns a function that converts a decoded value; it raises ``Refused``.

    None if values of the Avro type cannot be of the declared type.

    Args:
        kind: the declared type.
        written: the Avro type of the values, without names of types.
        newest: the same in the newest schema.
    """
    avro = _only(written)
    base, logical = avro.get("type"), avro.get("logicalType")
    is_dated = logical == "date" or logical in _UNITS
    match kind:
        case String():
            return text_reader(kind) if base == "string" else None
        case Enum():
            return enum_reader(kind) if base in ("enum", "string") else None
        case Boolean():
            return same if base == "boolean" else None
        case Integer():
            return same if base in _INTEGERS[kind.bits] and not is_dated else None
        case Double():
            return double if base in ("float", "double") else None
        case Decimal():
            return decimal_reader(kind, avro) if logical == "decimal" and not kind.in_bytes else None
        case Date():
            return day if base == "int" and logical == "date" else None
        case Timestamp():
            is_time = base == "long" and logical in _UNITS and kind.unit is TimeUnit.ISO_8601
            return time_reader(_UNITS[str(logical)]) if is_time else None
        case Bytes():
            return same if base in ("bytes", "fixed") and logical != "decimal" else None
        case Record():
            if base != "record":
                return None
            other = _only(newest)
            return record_reader(kind.fields, avro, other if other.get("type") == "record" else avro, ".")
        case Array():
            return array_reader(_inner(kind.items, avro, newest, "items")) if base == "array" else None
        case Map():
            return _map_reader(_inner(kind.values, avro, newest, "values")) if base == "map" else None
        case _:
            assert_never(kind)


def _only(avro: Any) -> dict[str, Any]:
    """Returns the only type other than null; an empty object if there are several."""
    if isinstance(avro, list):
        others = [each for each in avro if each != "null"]
        return _only(others[0]) if len(others) == 1 else {}
    return {"type": avro} if isinstance(avro, str) else avro


def _inner(kind: Kind, avro: dict[str, Any], newest: Any, part: str) -> Read:
    return reader(kind, avro[part], _only(newest).get(part, avro[part])) or wrong


def _map_reader(read_value: Read) -> Read:
    def read(value: dict[bytes, Any]) -> dict[str, Any]:
        return map_of(value, lambda each: present(each, read_value))

    return read


class _Step(NamedTuple):
    """Takes one declared field from the records of one schema."""

    name: str
    path: str
    kind: Kind
    taken: str | None = None
    read: Read | None = None
    default: Any = None


def record_reader(
    fields: Mapping[str, Kind], written: Mapping[str, Any], newest: Mapping[str, Any], mark: str = ""
) -> Read:
    """Returns a function that reads the declared fields of a decoded record.

    The function raises ``Refused``.

    Args:
        fields: the declared fields.
        written: the schema of the record, without names of types.
        newest: the same of the newest schema, which has the defaults and the aliases.
        mark: the text before a name in a path; a dot inside another record.
    """
    own, current = _by_name(written), _by_name(newest)
    steps = [_step(name, mark + name, kind, own, current[name]) for name, kind in fields.items()]

    def read(document: Any) -> dict[str, Any]:
        return {step.name: _value(step, document) for step in steps}

    return read


def _by_name(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {each["name"]: each for each in record["fields"]}


def _step(name: str, path: str, kind: Kind, written: _Fields, newest: Mapping[str, Any]) -> _Step:
    for candidate in (name, *(newest.get("aliases") or [])):
        if candidate in written:
            return _Step(name, path, kind, candidate, reader(kind, written[candidate]["type"], newest["type"]))
    read, default = reader(kind, newest["type"], newest["type"]), newest.get("default")
    if read is not None and default is not None:
        try:
            return _Step(name, path, kind, default=read(decoded(kind, newest["type"], default)))
        except (Refused, ValueError, TypeError, AttributeError):
            pass  # such a default is none
    return _Step(name, path, kind, default=kind.fallback)


def _value(step: _Step, document: Mapping[str, Any]) -> Any:
    if step.taken is None:
        if step.default is None and not step.kind.is_optional:
            raise Refused(DeadLetterError.MISSING_FIELD, step.path)
        return step.default
    if step.read is None:
        raise Refused(DeadLetterError.WRONG_TYPE, step.path)
    value = document[step.taken]
    if value is None:
        if not step.kind.is_optional:
            raise Refused(DeadLetterError.NULL_FIELD, step.path)
        return step.kind.fallback
    try:
        return step.read(value)
    except Refused as refused:
        raise refused.inside(step.path) from None
