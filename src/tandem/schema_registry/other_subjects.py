"""Adds to a schema what it refers to in other subjects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fastavro.repository import AbstractSchemaRepository, SchemaRepositoryError
from fastavro.schema import SchemaParseException, UnknownType, load_schema

from tandem.schema_registry.client import NotFoundError, Reference, RegisteredSchema, Registry

# A schema with more references is not read.
_MOST_REFERENCES = 200


def completed(registry: Registry, schema: RegisteredSchema) -> RegisteredSchema:
    """Returns a schema whose text has everything that it refers to.

    An Avro type is defined where it is used first. A JSON Schema gets a definition for each reference.

    Args:
        registry: the registry that has the other subjects.
        schema: the schema.

    Raises:
        ValueError: it refers to something that the registry does not have, or is not valid; the message says why.
        EnvironmentNotReadyError: the registry does not answer.
    """
    if not schema.references:
        return schema
    found = referred(registry, schema)
    whole = _in_avro(schema, found) if schema.kind == "AVRO" else _in_json(schema, found)
    return replace(schema, text=json.dumps(whole, ensure_ascii=False))


def referred(registry: Registry, schema: RegisteredSchema) -> dict[Reference, RegisteredSchema]:
    """Returns the schemas that a schema refers to, and those that they refer to.

    Raises ValueError and EnvironmentNotReadyError as ``completed`` does.
    """
    found: dict[Reference, RegisteredSchema] = {}
    _add_referred(registry, schema, found)
    return found


def _add_referred(registry: Registry, schema: RegisteredSchema, found: dict[Reference, RegisteredSchema]) -> None:
    """Adds the schemas that a schema refers to, and those that they refer to."""
    for reference in schema.references:
        if reference in found:
            continue
        if len(found) == _MOST_REFERENCES:
            raise ValueError(f"it has more than {_MOST_REFERENCES} references")
        try:
            found[reference] = registry.schema(reference.subject, reference.version)
        except NotFoundError:
            raise ValueError(
                f"it refers to version {reference.version} of {reference.subject}, which the registry does not have"
            ) from None
        _add_referred(registry, found[reference], found)


class _ReferredTypes(AbstractSchemaRepository):
    """The types that a schema refers to, by their full names."""

    def __init__(self, schemas: Iterator[Any]) -> None:
        self._found: dict[str, Any] = {}
        for schema in schemas:
            name = _full_name(schema)
            if self._found.setdefault(name, schema) != schema:
                raise ValueError(f"it refers to two versions of {name}")

    def load(self, name: str) -> Any:
        """Returns a copy of a type's schema."""
        if name not in self._found:
            raise SchemaRepositoryError(name)
        return json.loads(json.dumps(self._found[name]))


def _in_avro(schema: RegisteredSchema, found: dict[Reference, RegisteredSchema]) -> Any:
    try:
        whole = json.loads(schema.text)
        types = _ReferredTypes(iter([whole, *(json.loads(each.text) for each in found.values())]))
        return load_schema(_full_name(whole), repo=types, _write_hint=False)
    except UnknownType as error:
        raise ValueError(f"it uses the type {error.name}, which none of its references defines") from None
    except (SchemaParseException, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not an Avro schema: {error}") from None


def _full_name(schema: Any) -> str:
    name = schema["name"]
    return name if "." in name or not schema.get("namespace") else f"{schema['namespace']}.{name}"


def _in_json(schema: RegisteredSchema, found: dict[Reference, RegisteredSchema]) -> Any:
    whole = json.loads(schema.text)
    added = {reference.name: json.loads(each.text) for reference, each in found.items()}
    if not all(isinstance(each, dict) for each in (whole, *added.values())):
        raise ValueError("it, or a schema that it refers to, is not an object")
    definitions = {name: {**each, "$id": name} for name, each in added.items()}
    own = whole.get("$defs", {})
    if not isinstance(own, dict) or not own.keys().isdisjoint(definitions):
        raise ValueError("it has a definition with the name of a reference")
    return {**whole, "$defs": {**own, **definitions}}
