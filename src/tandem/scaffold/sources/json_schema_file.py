"""Reads a JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import Kind
from tandem.errors import UsageError
from tandem.scaffold.described import Described
from tandem.scaffold.infer.observed import MAX_DEPTH
from tandem.scaffold.sources.defaults import of_json_schema
from tandem.scaffold.sources.leaving_out import (
    CannotDeclareError,
    TooLargeError,
    first_of,
    note_left_out,
    record_of,
    too_large,
    usable,
    with_default,
)
from tandem.scaffold.sources.references import References, listed, properties_of
from tandem.scaffold.sources.uniting import united
from tandem.verify.strict_json import Number

_FORMATS: Mapping[str, Kind] = {
    "date-time": FieldType.TIMESTAMP,
    "date": FieldType.DATE,
    "uuid": FieldType.STRING,
    "byte": FieldType.BYTES,
}
_CHOICES = ("oneOf", "anyOf")
# What says of which type a value is.
_TYPING = frozenset(("type", "properties", "items", "enum", "const", "oneOf", "anyOf"))
_DIGITS = 18
_LARGEST_32 = 2**31 - 1


def is_json_schema(value: Mapping[str, Any]) -> bool:
    """Returns whether a JSON object is a schema, and no record."""
    types = value.get("type")
    is_object = bool(types == "object" or (isinstance(types, list) and "object" in types))
    is_object = is_object or "$ref" in value or "allOf" in value
    has_properties = isinstance(value.get("properties"), dict)
    is_array = types == "array" and isinstance(value.get("items"), dict)
    is_named = "json-schema.org" in str(value.get("$schema"))
    return (
        is_named or is_array or (is_object and has_properties) or ("$schema" in value and (is_object or has_properties))
    )


def described_by_json_schema(source: str, name: str, schema: Mapping[str, Any]) -> Described:
    """Returns what a JSON Schema says of a stream.

    Raises:
        UsageError: it describes no object, or none of its fields can be declared.
    """
    try:
        types = _JsonSchemaTypes(schema)
        fields = types.root()
    except CannotDeclareError as error:
        raise UsageError(
            f"{source}: the schema {error}", hint="give the schema of one kind of records, or samples"
        ) from None
    except RecursionError:
        raise UsageError(f"{source}: the schema is nested too deep", hint="give a simpler one, or samples") from None
    except TooLargeError:
        raise too_large(source) from None
    if not fields:
        hint = first_of(types.notes) or "its type is object, and its properties are the fields"
        raise UsageError(f"{source}: the schema has no field that a stream can declare", hint=hint)
    return Described(source, name, fields, "a JSON Schema", tuple(types.notes))


class _JsonSchemaTypes:
    """The types of one schema's fields."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.notes: list[str] = []
        self._references = References(root)

    def root(self) -> dict[str, Kind]:
        """Returns the fields of the schema itself."""
        root = self._references.root
        with self._references.opened(root):
            schema = self._references.resolved(root)
            types = schema.get("type", _implied(schema))
            if types != "object" and not (isinstance(types, list) and "object" in types):
                several = any(choice in schema for choice in _CHOICES)
                raise CannotDeclareError("may have several types" if several else "is not of an object")
            return self.fields(schema, "")

    def fields(self, schema: Mapping[str, Any], outer: str) -> dict[str, Kind]:
        """Returns the fields of an object; notes those that cannot be declared."""
        properties, required = properties_of(schema), listed(schema, "required")
        found: dict[str, Kind] = {}
        for name in usable(properties, self.notes):
            path = outer + name
            known = len(self.notes)
            try:
                kind = self._kind(properties[name], path)
            except CannotDeclareError as error:
                note_left_out(self.notes, path, error, known)
                continue
            default = _default(properties[name])
            if default is not None:
                kind = with_default(kind, of_json_schema(kind, default), path, self.notes)
            found[name] = kind if name in required else kind if kind.is_optional else kind.optional()
        return found

    def _kind(self, schema: Any, path: str) -> Kind:
        with self._references.opened(schema):
            resolved = self._references.resolved(schema)
            kind = self._resolved_kind(resolved, path)
            # OpenAPI's word.
            return kind.optional() if resolved.get("nullable") is True else kind

    def _resolved_kind(self, schema: Mapping[str, Any], path: str) -> Kind:
        if path.count(".") + path.count("[") > MAX_DEPTH:
            raise CannotDeclareError("is nested too deep, or contains itself")
        types = schema.get("type", _implied(schema))
        for choice in _CHOICES:
            # Choices may restrict a type, too.
            if choice in schema and (types is None or any(map(self._has_type, listed(schema, choice)))):
                return self._one_of(listed(schema, choice), path)
        if isinstance(types, list):
            return self._one_of([{**schema, "type": each} for each in types], path)
        if "const" in schema or "enum" in schema:
            values = listed(schema, "enum") if "enum" in schema else [schema["const"]]
            if types != "integer":
                return _one_of_values(values)
        match types:
            case "string":
                return _string(schema)
            case "boolean":
                return FieldType.BOOLEAN
            case "integer":
                return _integer(schema)
            case "number":
                return _number(schema)
            case "array":
                return self._array(schema, path)
            case "object":
                return self._object(schema, path)
            case _:
                raise CannotDeclareError("may have any type")

    def _has_type(self, schema: Any) -> bool:
        return not _TYPING.isdisjoint(self._references.resolved(schema))

    def _one_of(self, schemas: list[Any], path: str, problem: str = "may have several types") -> Kind:
        others = [each for each in schemas if self._references.resolved(each).get("type") != "null"]
        if not others:
            raise CannotDeclareError("is always null")
        noted = len(self.notes)
        kind = united([self._kind(each, path) for each in others])
        if kind is None:
            del self.notes[noted:]
            raise CannotDeclareError(problem)
        return kind.optional() if len(others) < len(schemas) else kind

    def _array(self, schema: Mapping[str, Any], path: str) -> Kind:
        items = schema.get("items")
        # Before 2020, `items` had what `prefixItems` has now.
        first, others = (items, schema.get("additionalItems")) if isinstance(items, list) else ([], items)
        first = first or listed(schema, "prefixItems")
        each = [*first, others] if isinstance(others, Mapping) or not first else first
        kind = self._one_of(each, f"{path}[]", "has items of several types")
        if kind.is_optional:
            raise CannotDeclareError("has items that may be null")
        return FieldType.array(kind)

    def _object(self, schema: Mapping[str, Any], path: str) -> Kind:
        if properties_of(schema):
            return record_of(self.fields(schema, f"{path}."))
        patterns, others = schema.get("patternProperties"), schema.get("additionalProperties")
        values = list(patterns.values()) if isinstance(patterns, Mapping) else []
        each = [*values, others] if isinstance(others, Mapping) or not values else values
        kind = self._one_of(each, f"{path}[*]", "has values of several types")
        if kind.is_optional:
            raise CannotDeclareError("has values that may be null")
        return FieldType.map(kind)


def _default(schema: Any) -> Any:
    """Returns the default of a field; None where there is none."""
    return schema.get("default") if isinstance(schema, Mapping) else None


def _implied(schema: Mapping[str, Any]) -> str | None:
    """Returns the type of a schema that does not name it."""
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else None


def _one_of_values(values: list[Any]) -> Kind:
    present = [each for each in values if each is not None]
    types = {type(each) for each in present}
    if types == {str}:
        kind: Kind = FieldType.TEXT if "" in present else FieldType.enum(*dict.fromkeys(present))
    elif types == {bool}:
        kind = FieldType.BOOLEAN
    elif types == {int}:
        kind = FieldType.INTEGER
    else:
        raise CannotDeclareError("is one of several values that are not all strings, nor all integers")
    return kind.optional() if len(present) < len(values) else kind


def _string(schema: Mapping[str, Any]) -> Kind:
    if schema.get("contentEncoding") == "base64":
        return FieldType.BYTES
    plain = FieldType.STRING if _whole(schema.get("minLength")) else FieldType.TEXT
    return _FORMATS.get(str(schema.get("format")), plain)


def _integer(schema: Mapping[str, Any]) -> Kind:
    least, most = _whole(schema.get("minimum")), _whole(schema.get("maximum"))
    is_small = least is not None and most is not None and least >= -_LARGEST_32 - 1 and most <= _LARGEST_32
    return FieldType.INTEGER_32 if is_small or schema.get("format") == "int32" else FieldType.INTEGER


def _number(schema: Mapping[str, Any]) -> Kind:
    """Returns a decimal where the schema says how many digits it has behind the point."""
    step = schema.get("multipleOf")
    if not isinstance(step, Number):
        return FieldType.DOUBLE
    scale = -int(Decimal(step).normalize().as_tuple().exponent)
    return FieldType.decimal(_DIGITS, scale) if 0 < scale < _DIGITS else FieldType.DOUBLE


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
