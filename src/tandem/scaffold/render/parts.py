"""Writes the common parts of pipelines of one stream and of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from tandem.engine.declare.field_name import Path
from tandem.engine.declare.kind import Boolean, Date, Decimal, Enum, Integer, Kind, Record
from tandem.engine.declare.stream import RecordPart
from tandem.scaffold.chosen import Chosen, kind_at
from tandem.scaffold.infer.words import words_of
from tandem.scaffold.render.code import Code, Each, Item, Items, call, mapping, several, text, written
from tandem.scaffold.render.field_types import document_type, fields_code
from tandem.scaffold.render.sample_code import identity_value

_MOST_COLUMNS = 6
_SCALAR_TIMES = ("DocumentType.TIMESTAMP", "DocumentType.DATE")
_NESTED = ("DocumentType.ARRAY", "DocumentType.OBJECT", "DocumentType.BYTES")


def constant(chosen: Chosen) -> str:
    """Returns the name of a stream's declaration."""
    return chosen.stream.name.upper()


def names_constant(chosen: Chosen) -> str:
    """Returns the name of what documents call a stream's fields."""
    return f"{chosen.record.upper()}_NAMES"


def stream_code(chosen: Chosen) -> Items:
    """Returns the declaration of a stream."""
    stream = chosen.stream
    time = "RecordPart.TIMESTAMP" if isinstance(stream.event_time, RecordPart) else text(stream.event_time)
    identity: Code
    if isinstance(stream.identity, RecordPart):
        identity = "RecordPart.KEY"
    elif isinstance(stream.identity, str):
        identity = text(stream.identity)
    else:
        identity = several([text(part) if isinstance(part, str) else "RecordPart.KEY" for part in stream.identity])
    arguments: dict[str, Code] = {
        "name": text(stream.name),
        "topic": text(stream.topic),
        "fields": fields_code(stream.fields, split=True),
        "event_time": time,
        "identity": identity,
    }
    if stream.format is not None:
        arguments["format"] = f'Avro.of(__package__, "{stream.name}")'
    if stream.external:
        arguments["external"] = "True"
    return call("Stream", *keywords(arguments), split=True)


def keywords(arguments: Mapping[str, Code]) -> list[Code]:
    """Returns the arguments of a call by their names."""
    return [Item(f"{name}=", value) for name, value in arguments.items()]


def collection_code(name: str, fields: Mapping[str, str], indexes: Sequence[tuple[str, ...]]) -> Items:
    """Returns the declaration of a collection."""
    arguments: dict[str, Code] = {
        "name": text(name),
        "fields": mapping(list(fields.items()), split=True),
        "indexes": several([several([text(each) for each in index]) for index in indexes]),
    }
    return call("Collection", *keywords(arguments), split=True)


def document_fields(chosen: Chosen, names: Mapping[str, str]) -> dict[str, str]:
    """Returns the types of a stream's columns in documents, by their names."""
    return {names[column]: document_type(kind) for column, kind in chosen.columns.items()}


def columns_code(key: str, fields: Mapping[str, str]) -> Items:
    """Returns the columns of the dashboard's table: the key, then first fields.

    Objects and arrays are left out.
    """
    shown = [name for name, kind in fields.items() if name != key and kind not in _NESTED]
    shown.sort(key=lambda name: fields[name] not in ("DocumentType.DECIMAL", *_SCALAR_TIMES))
    chosen = [key, *[name for name in fields if name in shown[: _MOST_COLUMNS - 1]]]
    return several([call("Column", text(name), text(title_of(name))) for name in chosen], split=True)


def title_of(name: str) -> str:
    """Returns a field's name for people."""
    return " ".join(words_of(name)).capitalize() or name


def money_of(fields: Mapping[str, str]) -> str | None:
    """Returns the first field with an exact amount."""
    return next((name for name, kind in fields.items() if kind == "DocumentType.DECIMAL"), None)


def renaming(names: Mapping[str, str]) -> dict[str, str]:
    """Returns the columns that have another name in documents, with it."""
    return {column: name for column, name in names.items() if column != name}


def document_function(name: str, chosen: Chosen, names: Mapping[str, str]) -> str:
    """Returns the oracle's function from an event to what documents have of it."""
    stream, record = chosen.stream, chosen.record
    renamed = renaming({column: names[column] for column in stream.fields})
    stored: Code = f"stored({constant(chosen)}, {record})"
    if renamed:
        clause = f"for name, value in {stored}.items()"
        stored = Each("{}", f"{names_constant(chosen)}.get(name, name): value", clause)
    added = []
    if stream.identity_column not in stream.fields:
        added.append((names[stream.identity_column], f"{record}[{text(stream.identity_column)}]"))
    if stream.time_column not in stream.fields:
        added.append((names[stream.time_column], f"date({record}[{text(stream.time_column)}])"))
    code: Code = stored
    if added:
        members: list[Code] = [Item("**", stored), *(Item(f"{text(each)}: ", value) for each, value in added)]
        code = Items("{", members, "}")
    returned = written(code, indent=1, before=len("return "), after=0)
    return f"def {name}({record}: Fields) -> Document:\n    return {returned}"


def given_values(chosen: Chosen, others: Mapping[Path, str]) -> dict[Path, str]:
    """Returns the values of sample records that are not random.

    They are the identity, the time and some others.
    """
    stream, found = chosen.stream, dict[Path, str]()
    for path in stream.identity_paths or ():
        # A stream of Avro records declares no integers of 32 bits, and its schema may have some.
        value = identity_value(kind_at(chosen.described.fields, path), path[-1], chosen.record)
        found |= {path: value} if value else {}
    found |= {stream.event_time_path: "time_ms"} if stream.event_time_path else {}
    return found | dict(others)


def event_key(chosen: Chosen) -> str:
    """Returns the argument with the key of a sample record.

    Nothing where the event identifies itself.
    """
    return f', key=f"{chosen.record}-{{moment.id}}"' if chosen.stream.identity_paths is None else ""


def test_values(chosen: Chosen, time: Code, other: Mapping[Path, str], *, is_row: bool) -> dict[str, Code]:
    """Returns the columns of an event for a test: its identity, its time and others.

    Args:
        chosen: the stream.
        time: the expression of its time.
        other: other values, by their path.
        is_row: whether the event is one of Spark's rows; else of the oracle's.
    """
    stream = chosen.stream
    nested: dict[str, Any] = {}
    for path, value in other.items():
        inner = nested
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    if not is_row:
        nested = {name: _filled(stream.fields[name], value) for name, value in nested.items()}
    found = {name: _nested(value) for name, value in nested.items()}
    found.setdefault(stream.identity_column, test_value(chosen.columns[stream.identity_column]))
    return {**found, stream.time_column: time}


def event_code(chosen: Chosen, event: Mapping[str, Code]) -> str:
    """Returns an event of the oracle, with None for fields that are not given."""
    fields = f"dict.fromkeys({constant(chosen)}.fields) | "
    before = len(chosen.record) + 3 + len(fields)
    return fields + written(mapping(list(event.items())), indent=1, before=before, after=0)


def test_value(kind: Kind) -> str:
    """Returns a value of a type that identifies events."""
    match kind:
        case Integer():
            return "1"
        case Boolean():
            return "True"
        case Decimal():
            return f'Decimal("{"0" if kind.precision == kind.scale else "1"}")'
        case Date():
            return "date(2026, 1, 1)"
        case Enum():
            return text(kind.symbols[0])
        case _:
            return '"a"'


def test_text(kind: Kind) -> str:
    """Returns the text of ``test_value`` in a document's ``_id``."""
    match kind:
        case Integer():
            return "1"
        case Boolean():
            return "true"
        case Decimal():
            whole = "0" if kind.precision == kind.scale else "1"
            return f"{whole}.{'0' * kind.scale}" if kind.scale else whole
        case Date():
            return date(2026, 1, 1).isoformat()
        case Enum():
            return kind.symbols[0]
        case _:
            return "a"


def _filled(kind: Kind, value: Any) -> Any:
    """Returns a record's values for all fields; None for missing ones.

    The oracle's events have the same form.
    """
    if not isinstance(kind, Record):
        return value
    return {name: _filled(each, value[name]) if name in value else "None" for name, each in kind.fields.items()}


def _nested(value: Any) -> Code:
    return mapping([(name, _nested(each)) for name, each in value.items()]) if isinstance(value, dict) else str(value)
