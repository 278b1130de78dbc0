"""Replaces the names of types in an Avro schema by the types, without Spark."""

from __future__ import annotations

import re
from typing import Any

_PRIMITIVE = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
# A schema of a few lines can name its types so often that their number doubles with each line.
_MAX_PARTS = 10_000
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def resolved(schema: Any) -> Any:
    """Returns a schema with each name of a type replaced by the type.

    Raises:
        ValueError: a type contains itself, is not defined or is not a type; or there are too many types.
    """
    return _Resolver().resolve(schema, "")


class _Resolver:
    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        # The number of types in each of them.
        self._sizes: dict[str, int] = {}
        self._open: list[str] = []
        self._parts = 0

    def resolve(self, schema: Any, namespace: str) -> Any:
        self._count(1)
        if isinstance(schema, str):
            return schema if schema in _PRIMITIVE else self._named(schema, namespace)
        if isinstance(schema, list):
            return [self.resolve(each, namespace) for each in schema]
        if not isinstance(schema, dict):
            raise ValueError(f"{schema!r} is not a type")
        match schema.get("type"):
            case "record":
                return self._record(schema, namespace)
            case "enum" | "fixed":
                name = self._new_name(schema, namespace)
                self._known[name], self._sizes[name] = schema, 1
                return schema
            case "array":
                return {**schema, "items": self.resolve(schema.get("items"), namespace)}
            case "map":
                return {**schema, "values": self.resolve(schema.get("values"), namespace)}
            case other:
                found = self.resolve(other, namespace)
                return {**schema, "type": found} if isinstance(found, str) else found

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > _MAX_PARTS:
            raise ValueError(f"has more than {_MAX_PARTS} types, each counted as often as it is used")

    def _record(self, schema: dict[str, Any], namespace: str) -> dict[str, Any]:
        name, fields = self._new_name(schema, namespace), schema.get("fields")
        if not isinstance(fields, list) or not all(map(_is_field, fields)):
            raise ValueError("has a record whose fields are not a list of fields with a name and a type")
        _check_names(name, [each["name"] for each in fields])
        inside, before = name.rpartition(".")[0], self._parts
        self._open.append(name)
        found = {**schema, "fields": [{**each, "type": self.resolve(each["type"], inside)} for each in fields]}
        self._open.pop()
        self._known[name], self._sizes[name] = found, 1 + self._parts - before
        return found

    def _new_name(self, schema: dict[str, Any], namespace: str) -> str:
        name, own = schema.get("name"), schema.get("namespace")
        if not isinstance(name, str) or not isinstance(own, str | None):
            raise ValueError(f"has a type {schema['type']} without a name")
        full = _full(name, namespace if own is None else own)
        if full in self._known or full in self._open:
            raise ValueError(f"type {full} is defined twice")
        return full

    def _named(self, name: str, namespace: str) -> Any:
        # Java looks for a name in the namespace first, and then for one without a namespace.
        for full in (_full(name, namespace), name):
            if full in self._open:
                raise ValueError(f"type {name} contains itself, which Spark cannot read")
            if full in self._known:
                self._count(self._sizes[full])
                return self._known[full]
        raise ValueError(f"type {name} is not defined")


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _check_names(record: str, fields: list[str]) -> None:
    """Raises ValueError for names that Spark's reader refuses, or cannot tell apart."""
    seen: dict[str, str] = {}
    for name in fields:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} in {record} is not a name in Avro")
        if (other := seen.setdefault(name.lower(), name)) is not name:
            raise ValueError(f"fields {other!r} and {name!r} of {record} differ in case only, which Spark cannot read")


def _is_field(each: Any) -> bool:
    return isinstance(each, dict) and isinstance(each.get("name"), str) and "type" in each
