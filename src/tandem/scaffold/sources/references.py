"""Resolves what a JSON Schema refers to, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tandem.scaffold.sources.leaving_out import CannotDeclareError, Parts

_MOST_REFERENCES = 20


class References:
    """The references of one schema.

    Args:
        root: the schema.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root, self._parts = root, Parts()
        # The references that lead to what is read, and those that are being resolved.
        self._open: list[str] = ["#"]
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

    def _references(self, schema: Any) -> Iterator[str]:
        """Yields what a schema refers to, and what that refers to."""
        for _ in range(_MOST_REFERENCES):
            if not isinstance(schema, Mapping) or "$ref" not in schema:
                return
            yield str(schema["$ref"])
            schema = self._referred(str(schema["$ref"]))

    def _referred(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        if not reference.startswith("#"):
            raise CannotDeclareError(f"refers to another file: {reference!r}")
        for part in filter(None, reference[1:].split("/")):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or name not in found:
                raise CannotDeclareError(f"refers to {reference!r}, which is not there")
            found = found[name]
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
