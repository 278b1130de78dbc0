"""Decodes the defaults of an Avro schema."""

from __future__ import annotations

from typing import Any

from tandem.engine.declare.kind import Array, Kind, Map, Record


def decoded(kind: Kind, avro: Any, default: Any) -> Any:
    """Returns a default, which is JSON, as ``strict_avro`` decodes the same value.

    It lacks the fields of records that are not declared. It raises ValueError and others if the default is not of the
    type.

    Args:
        kind: the declared type.
        avro: the type in the schema, without names of types.
        default: the default.
    """
    if isinstance(avro, list):
        (only,) = [each for each in avro if each != "null"]
        return None if default is None else decoded(kind, only, default)
    base = avro["type"] if isinstance(avro, dict) else avro
    match kind:
        case Record():
            fields = {each["name"]: each for each in avro["fields"]}
            return {name: _member(each, fields[name], default) for name, each in kind.fields.items()}
        case Array():
            return [decoded(kind.items, avro["items"], each) for each in _of(list, default)]
        case Map():
            return {name.encode(): decoded(kind.values, avro["values"], each) for name, each in default.items()}
    match base:
        case "string":
            return default.encode()
        case "bytes" | "fixed":
            return default.encode("latin-1")
        case "float" | "double":
            return _number(default)
        case "int" | "long":
            return _of(int, default)
        case "boolean":
            return _of(bool, default)
        case _:
            return default


def _member(kind: Kind, field: dict[str, Any], record: dict[str, Any]) -> Any:
    value = record.get(field["name"], field.get("default"))
    return None if value is None else decoded(kind, field["type"], value)


def _number(default: Any) -> float:
    if type(default) not in (int, float):
        raise TypeError("not a number")
    return float(default)


def _of(wanted: type, default: Any) -> Any:
    if type(default) is not wanted:
        raise TypeError(f"not of type {wanted}")
    return default
