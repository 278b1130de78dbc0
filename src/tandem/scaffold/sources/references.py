"""Resolves what a JSON Schema refers to, and what it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urljoin

from tandem.scaffold.sources.leaving_out import CannotDeclareError, Parts

_MOST_REFERENCES = 20
# The keywords with values of the data, and those with schemas by name.
_VALUES = frozenset(("const", "default", "enum", "example", "examples"))
_BY_NAME = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))


class References:
    """The references of one schema.

    Args:
        schema: the schema.

    Attributes:
        root: the schema with absolute references.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._parts = Parts()
        # The parts that have addresses of their own.
        self._named: dict[str, Mapping[str, Any]] = {}
        self.root: Mapping[str, Any] = self._absolute(schema, "")
        self._named.setdefault("", self.root)
        # The references that lead to what is read, and those that are being resolved.
        self._open: list[str] = [address for address, named in self._named.items() if named is self.root]
        self._resolving: list[str] = []

    def resolved(self, schema: Any) -> Mapping[str, Any]:
        """Returns a schema with what it refers to and what it is made of."""
        self._parts.count()
        if not isinstance(schema, Mapping):
            raise CannotDeclareError("may have any type")
        found: Mapping[str, Any] = schema
        for _ in range(_MOST_REFERENCES):
            if "$ref" in found:
                own = {name: value for name, value in found.items() if name != "$ref"}
                found = {**self._referred(str(found["$ref"])), **own}
            elif "allOf" in found:
                found = self._together(found)
            else:
                return found
        raise CannotDeclareError("refers to itself")

    @contextmanager
    def opened(self, schema: Any) -> Iterator[None]:
        """Raises CannotDeclareError where a schema refers to one that it is in."""
        names = list(self._references(schema))
        if not set(names).isdisjoint(self._open):
            raise CannotDeclareError("contains itself")
        self._open += names
        try:
            yield
        finally:
            del self._open[len(self._open) - len(names) :]

    def _absolute(self, schema: Any, base: str) -> Any:
        """Returns a part of the schema with absolute references.

        Args:
            schema: the part.
            base: the address that its references are relative to.
        """
        if isinstance(schema, list):
            return [self._absolute(each, base) for each in schema]
        if not isinstance(schema, Mapping):
            return schema
        address = schema.get("$id", schema.get("id"))
        names = [f"#{anchor}" for anchor in (schema.get("$anchor"),) if isinstance(anchor, str)]
        if isinstance(address, str):
            names.append(address)
            base = base if address.startswith("#") else _joined(base, address)
        found = {name: self._keyword(name, value, base) for name, value in schema.items()}
        if isinstance(found.get("$ref"), str):
            found["$ref"] = _joined(base, found["$ref"])
        self._named |= {_joined(base, name): found for name in names}
        return found

    def _keyword(self, name: str, value: Any, base: str) -> Any:
        """Returns what a keyword of a schema has, with absolute references."""
        if name in _VALUES:
            return value
        if name in _BY_NAME and isinstance(value, Mapping):
            return {each: self._absolute(part, base) for each, part in value.items()}
        return self._absolute(value, base)

    def _references(self, schema: Any) -> Iterator[str]:
        """Yields what a schema refers to, and what that refers to."""
        for _ in range(_MOST_REFERENCES):
            if not isinstance(schema, Mapping) or "$ref" not in schema:
                return
            yield str(schema["$ref"])
            schema = self._referred(str(schema["$ref"]))

    def _referred(self, reference: str) -> Mapping[str, Any]:
        address, _, path = reference.partition("#")
        if address not in self._named:
            raise CannotDeclareError(f"refers to another file: {reference!r}")
        if path and not path.startswith("/"):
            address, path = reference, ""
        found: Any = self._named.get(address)
        for part in filter(None, path.split("/")):
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            found = _member(found, name)
        if found is None:
            raise CannotDeclareError(f"refers to {reference!r}, which is not there")
        return found if isinstance(found, Mapping) else {}

    def _together(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        merged = {name: value for name, value in schema.items() if name != "allOf"}
        for part in listed(schema, "allOf"):
            each = self._part(part)
            properties = {**properties_of(each), **properties_of(merged)}
            required = [*listed(each, "required"), *listed(merged, "required")]
            merged = {**each, **merged}
            if properties:
                merged |= {"properties": properties, "required": required}
        return merged

    def _part(self, part: Any) -> Mapping[str, Any]:
        """Returns a part of ``allOf``, resolved."""
        names = list(self._references(part))
        if not set(names).isdisjoint(self._resolving):
            raise CannotDeclareError("refers to itself")
        self._resolving += names
        try:
            return self.resolved(part)
        finally:
            del self._resolving[len(self._resolving) - len(names) :]


def _member(value: Any, name: str) -> Any:
    """Returns what a mapping or a list has under a name or a number; None for nothing."""
    if isinstance(value, list):
        return value[int(name)] if re.fullmatch("0|[1-9][0-9]{0,5}", name) and int(name) < len(value) else None
    return value.get(name) if isinstance(value, Mapping) else None


def _joined(base: str, address: str) -> str:
    """Returns an absolute address; an invalid one unchanged."""
    try:
        return urljoin(base, address).removesuffix("#")
    except ValueError:
        return address


def properties_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the properties of an object; nothing where it has none."""
    found = schema.get("properties", {})
    if not isinstance(found, Mapping):
        raise CannotDeclareError("has 'properties' that are not an object")
    return found


def listed(schema: Mapping[str, Any], name: str) -> list[Any]:
    """Returns what a keyword of a schema lists; nothing where it is missing."""
    found = schema.get(name, [])
    if not isinstance(found, list):
        raise CannotDeclareError(f"has {name!r} that is not an array")
    return found
