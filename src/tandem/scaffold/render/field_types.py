"""Writes the declarations of fields: types of records, and types of documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from tandem.engine.declare.field_type import DocumentType
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
from tandem.scaffold.render.code import Code, Items, call, mapping, text

_TYPE = "FieldType"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fields_code(fields: Mapping[str, Kind], *, split: bool = False) -> Items:
    """Returns the dictionary of a record's fields."""
    return mapping([(name, kind_code(kind)) for name, kind in fields.items()], split=split)


def kind_code(kind: Kind) -> Code:
    """Returns the declaration of a type."""
    code = _required(kind)
    if not kind.is_optional:
        return code
    after = ".optional()" if kind.fallback is None else f".default({_value(kind)})"
    return code + after if isinstance(code, str) else replace(code, after=code.after + after)


def document_type(kind: Kind) -> str:
    """Returns the type of a document's field."""
    match kind:
        case String() | Enum():
            found = DocumentType.STRING
        case Boolean():
            found = DocumentType.BOOLEAN
        case Integer():
            found = DocumentType.INTEGER
        case Double():
            found = DocumentType.DOUBLE
        case Decimal():
            found = DocumentType.DECIMAL
        case Date():
            found = DocumentType.DATE
        case Timestamp():
            found = DocumentType.TIMESTAMP
        case Bytes():
            found = DocumentType.BYTES
        case Record() | Map():
            found = DocumentType.OBJECT
        case Array():
            found = DocumentType.ARRAY
        case _:
            assert_never(kind)
    return f"DocumentType.{found.name}"


def value_imports(code: str) -> list[str]:
    """Returns the imports that the defaults in a module's text need."""
    names = [name for name in ("UTC", "date", "datetime") if re.search(rf"\b{name}[.(),]", code)]
    found = [f"from datetime import {', '.join(names)}"] if names else []
    return found + (["from decimal import Decimal"] if re.search(r"\bDecimal\(", code) else [])


def _required(kind: Kind) -> str | Items:
    match kind:
        case String():
            return f"{_TYPE}.TEXT" if kind.may_be_empty else f"{_TYPE}.STRING"
        case Boolean():
            return f"{_TYPE}.BOOLEAN"
        case Integer():
            return f"{_TYPE}.INTEGER" if kind.bits == 64 else f"{_TYPE}.INTEGER_32"
        case Double():
            return f"{_TYPE}.DOUBLE"
        case Decimal():
            return call(f"{_TYPE}.decimal", str(kind.precision), str(kind.scale))
        case Date():
            return f"{_TYPE}.DATE"
        case Timestamp():
            unit = "TIMESTAMP" if kind.unit is TimeUnit.ISO_8601 else f"EPOCH_{kind.unit.name}"
            return f"{_TYPE}.{unit}"
        case Bytes():
            return f"{_TYPE}.BYTES"
        case Enum():
            return call(f"{_TYPE}.enum", *map(text, kind.symbols))
        case Record():
            return call(f"{_TYPE}.record", fields_code(kind.fields))
        case Array():
            return call(f"{_TYPE}.array", kind_code(kind.items))
        case Map():
            return call(f"{_TYPE}.map", kind_code(kind.values))
        case _:
            assert_never(kind)


def _value(kind: Kind) -> str:
    """Returns a default as the declaration takes it."""
    value: Any = kind.fallback
    match kind:
        case Timestamp():
            at = _EPOCH + timedelta(microseconds=value)
            parts = [at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond]
            while len(parts) > 3 and not parts[-1]:
                parts.pop()
            return f"datetime({', '.join(map(str, parts))}, tzinfo=UTC)"
        case Date():
            return f"date({value.year}, {value.month}, {value.day})"
        case Decimal():
            return f'Decimal("{value:f}")'
        case String() | Enum():
            return text(value)
        case Bytes():
            return _bytes(value)
        case _:
            return repr(value)


def _bytes(value: bytes) -> str:
    """Returns bytes as the formatter writes them."""
    quote = "'" if value.count(b'"') > value.count(b"'") else '"'
    escaped, parts = f"\\{quote}", (repr(bytes([each]))[2:-1] for each in value)
    return f"b{quote}{''.join(escaped if each == quote else each for each in parts)}{quote}"
