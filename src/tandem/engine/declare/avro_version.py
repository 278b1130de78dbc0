"""One Avro schema of a stream, without Spark."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# The attributes of a schema's canonical form in Avro's specification. The fingerprint is computed from that form.
_CANONICAL = ("name", "namespace", "type", "fields", "symbols", "items", "values", "size")
_NAMED = ("record", "enum", "fixed")


@dataclass(frozen=True)
class Version:
    """One schema.

    Attributes:
        number: N in the name of its file.
        place: the file's path below the pipeline's folder.
        text: the file's content.
        schema: the same, parsed.
        schema_id: its id in a schema registry, if it comes from one.
    """

    number: int
    place: str
    text: str
    schema: dict[str, Any] = field(compare=False, repr=False)
    schema_id: int | None = None

    @classmethod
    def parse(cls, number: int, place: str, text: str, schema_id: int | None = None) -> Version:
        """Returns a schema, given its file.

        Raises:
            ValueError: it is not the schema of a record that Spark can read.
        """
        try:
            schema = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        if not isinstance(schema, dict) or schema.get("type") != "record" or "fields" not in schema:
            raise ValueError(f"{place}: not the schema of a record")
        if not all(map(_are_fields, _fields_within(schema))):
            raise ValueError(f"{place}: has a record whose fields are not a list of fields with a name and a type")
        if repeated := next(_within_themselves(schema, ()), None):
            raise ValueError(f"{place}: type {repeated} contains itself, which Spark cannot read")
        return cls(number, place, text, schema, schema_id)

    @property
    def canonical(self) -> dict[str, Any]:
        """The schema's attributes that decide how bytes are read, and ``namespace``."""
        canonical: dict[str, Any] = _canonical(self.schema)
        return canonical

    @property
    def fields(self) -> Mapping[str, dict[str, Any]]:
        """Its fields by name."""
        return {each["name"]: each for each in self.schema["fields"]}


def _canonical(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_canonical(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: _canonical(schema[name]) if name != "symbols" else schema[name] for name in _CANONICAL if name in schema
    }
    return kept["type"] if kept.keys() == {"type"} else kept


def _fields_within(schema: Any) -> Iterator[Any]:
    """Yields the attribute ``fields`` of each record in a schema, outer ones first.

    Go on only if ``_are_fields`` is true for it.
    """
    if isinstance(schema, list):
        for each in schema:
            yield from _fields_within(each)
    elif isinstance(schema, dict):
        fields = schema.get("fields", [])
        yield fields
        parts = [each.get("type") for each in fields]
        for each in (*parts, *(schema.get(name) for name in ("type", "items", "values"))):
            yield from _fields_within(each)


def _are_fields(fields: Any) -> bool:
    """Returns whether the attribute ``fields`` is a list of fields with a name and a type."""
    return isinstance(fields, list) and all(
        isinstance(each, dict) and isinstance(each.get("name"), str) and "type" in each for each in fields
    )


def _within_themselves(schema: Any, outer: tuple[str, ...]) -> Iterator[str]:
    """Yields the names of types that are used in their own definition."""
    if isinstance(schema, str) and schema.rpartition(".")[2] in outer:
        yield schema
    elif isinstance(schema, list):
        for each in schema:
            yield from _within_themselves(each, outer)
    elif isinstance(schema, dict):
        inner = (*outer, str(schema.get("name")).rpartition(".")[2]) if schema.get("type") in _NAMED else outer
        parts = [each.get("type") for each in schema.get("fields", ())]
        for each in (*parts, *(schema[name] for name in ("items", "values") if name in schema)):
            yield from _within_themselves(each, inner)
        if schema.get("type") not in _NAMED:
            yield from _within_themselves(schema.get("type"), inner)
