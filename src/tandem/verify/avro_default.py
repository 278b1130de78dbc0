"""Decodes the defaults of an Avro schema."""

from __future__ import annotations

from typing import Any


def decoded(avro: Any, default: Any) -> Any:
    """Returns a default, which is JSON, as ``strict_avro`` decodes the same value.

    Raises ValueError and others if the default is not of the type.

    Args:
        avro: the type, without names of types.
        default: the default.
    """
    if isinstance(avro, list):
        (only,) = [each for each in avro if each != "null"]
        return None if default is None else decoded(only, default)
    match avro["type"] if isinstance(avro, dict) else avro:
        case "string":
            return default.encode()
        case "bytes" | "fixed":
            return default.encode("latin-1")
        case "float" | "double":
            return _number(default)
        case "record":
            return {each["name"]: _member(each, default) for each in avro["fields"]}
        case "array":
            return [decoded(avro["items"], each) for each in _of(list, default)]
        case "map":
            return {name.encode(): decoded(avro["values"], each) for name, each in default.items()}
        case "int" | "long":
            return _of(int, default)
        case "boolean":
            return _of(bool, default)
        case _:
            return default


def _member(field: dict[str, Any], record: dict[str, Any]) -> Any:
    value = record.get(field["name"], field.get("default"))
    return None if value is None else decoded(field["type"], value)


def _number(default: Any) -> float:
    if type(default) not in (int, float):
        raise TypeError("not a number")
    return float(default)


def _of(wanted: type, default: Any) -> Any:
    if type(default) is not wanted:
        raise TypeError(f"not of type {wanted}")
    return default
