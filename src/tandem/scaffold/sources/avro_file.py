"""Reads an Avro schema: the types of its records as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import MAX_PRECISION, Kind
from tandem.errors import UsageError
from tandem.scaffold.described import Described, FixedBytes
from tandem.scaffold.sources.defaults import of_avro
from tandem.scaffold.sources.leaving_out import (
    CannotDeclareError,
    Parts,
    TooLargeError,
    first_of,
    note_left_out,
    record_of,
    too_large,
    usable,
    with_default,
)

_PLAIN: dict[str, Kind] = {
    "boolean": FieldType.BOOLEAN,
    "int": FieldType.INTEGER_32,
    "long": FieldType.INTEGER,
    "float": FieldType.DOUBLE,
    "double": FieldType.DOUBLE,
    "string": FieldType.TEXT,
    "bytes": FieldType.BYTES,
}
_LOGICAL: dict[tuple[str, str], Kind] = {
    ("int", "date"): FieldType.DATE,
    ("long", "timestamp-millis"): FieldType.EPOCH_MILLISECONDS,
    ("long", "timestamp-micros"): FieldType.EPOCH_MICROSECONDS,
    ("string", "uuid"): FieldType.STRING,
}
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_NAMED = ("record", "error", "enum", "fixed")


def is_avro_schema(value: Mapping[str, Any]) -> bool:
    """Returns whether a JSON object is the schema of an Avro record, and no record."""
    fields = value.get("fields")
    is_named = value.get("type") == "record" and isinstance(value.get("name"), str)
    return is_named and isinstance(fields, list) and all(isinstance(each, dict) and "type" in each for each in fields)


def described_by_avro(source: str, name: str, text: str) -> Described:
    """Returns what an Avro schema says of a stream.

    Raises:
        UsageError: it is not the schema of a record, or none of its fields can be declared.
    """
    try:
        schema = json.loads(text)
        parse_schema(schema, _write_hint=False)
        is_record = isinstance(schema, dict) and schema.get("type") == "record"
        types = _AvroTypes(schema)
        fields = types.root() if is_record else {}
    except json.JSONDecodeError as error:
        raise UsageError(f"{source}:{error.lineno}: not JSON: {error.msg}", hint="give an Avro schema") from None
    except RecursionError:
        raise UsageError(f"{source}: nested too deep", hint="give the schema of a record") from None
    except TooLargeError:
        raise too_large(source) from None
    except (SchemaParseException, UnknownType) as error:
        raise UsageError(f"{source}: not an Avro schema: {error}", hint="give the schema of a record") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{source}: not an Avro schema", hint="give the schema of a record") from None
    if not is_record:
        raise UsageError(f"{source}: not the schema of a record", hint="a stream's records have fields")
    if not fields:
        raise UsageError(
            f"{source}: the schema has no field that a stream can declare",
            hint=first_of(types.notes) or "its list of fields is empty",
        )
    return Described(source, name, fields, "an Avro schema", tuple(types.notes), avro=text)


class _AvroTypes:
    """The types of one schema's fields."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.notes: list[str] = []
        self._root = schema
        self._named: dict[str, dict[str, Any]] = {}
        self._parts = Parts()
        self._open: list[str] = []
        self._collect(schema, "")

    def root(self) -> dict[str, Kind]:
        """Returns the fields of the schema itself."""
        name = _full_name(self._root, "")
        self._open.append(name)
        return self.fields(self._root, name.rpartition(".")[0], "")

    def fields(self, record: dict[str, Any], namespace: str, outer: str) -> dict[str, Kind]:
        """Returns the fields of a record; notes those that cannot be declared."""
        found: dict[str, Kind] = {}
        own = {each["name"]: each for each in record["fields"]}
        if wrong := next((name for name in own if not _NAME.fullmatch(name)), None):
            raise SchemaParseException(f"{wrong!r} is not a name in Avro")
        if len(own) < len(record["fields"]):
            raise SchemaParseException(f"{record['name']} has two fields of the same name")
        for name in usable(own, self.notes):
            path = outer + name
            known = len(self.notes)
            try:
                found[name] = self._field(own[name], namespace, path)
            except CannotDeclareError as error:
                note_left_out(self.notes, path, error, known)
        return found

    def _field(self, field: dict[str, Any], namespace: str, path: str) -> Kind:
        kind = self._kind(field["type"], namespace, path)
        default = field.get("default")
        return kind if default is None else with_default(kind, of_avro(kind, default), path, self.notes)

    def _kind(self, avro: Any, namespace: str, path: str) -> Kind:
        self._parts.count()
        if isinstance(avro, list):
            others = [each for each in avro if each != "null"]
            if len(others) != 1:
                raise CannotDeclareError("may have several types")
            kind = self._kind(others[0], namespace, path)
            return kind.optional() if len(others) < len(avro) else kind
        if isinstance(avro, str):
            if avro in _PLAIN:
                return _PLAIN[avro]
            if avro == "null":
                raise CannotDeclareError("is always null")
            name = _full_name({"name": avro}, namespace)
            # A type of another namespace brings its own one with it.
            return self._complex(self._named[name], name.rpartition(".")[0], path)
        if isinstance(avro["type"], dict | list):
            return self._kind(avro["type"], namespace, path)
        return self._complex(avro, namespace, path)

    def _complex(self, avro: dict[str, Any], namespace: str, path: str) -> Kind:
        match avro["type"]:
            case "record" | "error":
                return self._record(avro, namespace, path)
            case "enum":
                return FieldType.enum(*avro["symbols"])
            case "array":
                return FieldType.array(self._inside(avro["items"], namespace, f"{path}[]"))
            case "map":
                return FieldType.map(self._inside(avro["values"], namespace, f"{path}[*]"))
            case plain:
                return self._logical(avro, str(plain), namespace, path)

    def _logical(self, avro: dict[str, Any], plain: str, namespace: str, path: str) -> Kind:
        logical = avro.get("logicalType")
        if logical == "decimal" and plain in ("bytes", "fixed"):
            if avro["precision"] > MAX_PRECISION:
                raise CannotDeclareError(f"has more than {MAX_PRECISION} digits")
            return FieldType.decimal(avro["precision"], avro.get("scale", 0))
        if plain == "fixed":
            return FixedBytes(size=avro["size"])
        found = _LOGICAL.get((plain, str(logical)))
        return found or _PLAIN.get(plain) or self._kind(plain, namespace, path)

    def _record(self, avro: dict[str, Any], namespace: str, path: str) -> Kind:
        name = _full_name(avro, namespace)
        if name in self._open:
            raise CannotDeclareError(f"contains itself: {name}")
        self._open.append(name)
        try:
            return record_of(self.fields(avro, name.rpartition(".")[0], f"{path}."))
        finally:
            self._open.pop()

    def _inside(self, avro: Any, namespace: str, path: str) -> Kind:
        kind = self._kind(avro, namespace, path)
        if kind.is_optional:
            raise CannotDeclareError("has items or values that may be null")
        return kind

    def _collect(self, avro: Any, namespace: str) -> None:
        """Collects the types that have names."""
        if isinstance(avro, list):
            for each in avro:
                self._collect(each, namespace)
        elif isinstance(avro, dict):
            if avro.get("type") in _NAMED:
                name = _full_name(avro, namespace)
                self._named[name] = avro
                namespace = name.rpartition(".")[0]
            for each in (avro.get("type"), avro.get("items"), avro.get("values"), *avro.get("fields", ())):
                self._collect(each, namespace)


def _full_name(avro: dict[str, Any], namespace: str) -> str:
    name = str(avro["name"])
    inside = avro.get("namespace", namespace)
    return name if "." in name or not inside else f"{inside}.{name}"
