"""Compares a stream's declaration and its frozen schemas with the registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.wire_format import FOLDER, Frozen, JsonSchema
from tandem.errors import UsageError
from tandem.schema_registry.client import RegisteredSchema, Registry
from tandem.schema_registry.protobuf import descriptor_of
from tandem.schema_registry.pull import UnreadableError, has_files, imports_of, readable
from tandem.schema_registry.subjects import Registered, frozen_of, is_same, kind_of, printable


class Level(StrEnum):
    """What a new version must be compatible with."""

    BACKWARD = "backward"  # it reads older records
    FORWARD = "forward"  # older versions read its records
    FULL = "full"  # both

    def is_met_by(self, level: str) -> bool:
        """Returns whether a registry's level includes this one."""
        kind = level.removesuffix("_TRANSITIVE").lower()
        return kind in (self, Level.FULL)


@dataclass(frozen=True)
class SchemaFinding:
    """One result of a check: a sentence, and whether it is a problem."""

    text: str
    is_problem: bool


def check(
    registry: Registry,
    folder: Path,
    stream: Stream,
    declared: Registered,
    *,
    new: str | None = None,
    level: Level | None = None,
) -> Iterator[SchemaFinding]:
    """Yields the results for one stream.

    Args:
        registry: the registry.
        folder: the pipeline's folder.
        stream: the stream.
        declared: its format.
        new: the text of a schema that is not registered yet. None checks the newest frozen one.
        level: the level that the subject must have at least; None accepts any.

    Raises:
        TandemError: the registry does not answer, has no such subject, or cannot read the schema.
        UsageError: the folder has no schema of the subject.
    """
    subject, kind = declared.subject, kind_of(declared)
    frozen = frozen_of(folder, subject, kind)
    if not frozen:
        raise UsageError(
            f"no schema of the subject {subject} is in {folder / FOLDER}",
            hint="name `__package__` in the stream's format, and run `tandem schemas pull`",
        )
    schemas = [registry.schema(subject, version) for version in registry.versions(subject)]
    for schema in schemas:
        try:
            whole, endings = readable(registry, subject, schema)
            if schema.kind != kind:
                raise UnreadableError(f"it is {schema.kind}, not {kind}")
        except UnreadableError as error:
            yield _unreadable(schema, str(error), is_newest=schema is schemas[-1])
        else:
            yield _frozen(whole, [each for each in frozen if has_files(folder, subject, each, endings)])
    found = registry.level(subject)
    met = level is None or level.is_met_by(found)
    wanted = "" if met else f", which does not include {level}"
    yield SchemaFinding(f"the registry checks new versions at level {printable(found)}{wanted}", not met)
    newest = next((each for each in schemas if each.schema_id == frozen[-1].schema_id and each.references), None)
    if newest is None:
        newest = RegisteredSchema(frozen[-1].version, frozen[-1].schema_id, kind, frozen[-1].text)
    # A schema that is registered already is sent as it is there, with its references.
    sent = newest
    if new is not None:
        # A new one in Protobuf imports what the newest one imports. Others have everything that they use.
        sent = replace(newest, text=new, references=newest.references if kind == "PROTOBUF" else ())
        yield _readable(registry, stream, declared, frozen, sent)
    yield _compatible(registry.incompatibilities(subject, kind, sent.text, sent.references))


def _name(schema: RegisteredSchema) -> str:
    return f"version {schema.version} (id {schema.schema_id})"


def _unreadable(schema: RegisteredSchema, reason: str, *, is_newest: bool) -> SchemaFinding:
    """Returns a problem if the version is the newest, which producers may use."""
    if is_newest:
        return SchemaFinding(f"{_name(schema)} cannot be read: {reason}", True)
    return SchemaFinding(f"{_name(schema)} is skipped, because a newer one replaced it: {reason}", False)


def _frozen(schema: RegisteredSchema, frozen: list[Frozen]) -> SchemaFinding:
    name = _name(schema)
    file = next((each for each in frozen if each.schema_id == schema.schema_id), None)
    if file is None:
        return SchemaFinding(f"{name} has no file; its records become dead letters until `tandem schemas pull`", True)
    if not is_same(schema.kind, file.text, schema.text):
        return SchemaFinding(f"{name} is not what its file says; delete the file and pull again", True)
    return SchemaFinding(f"{name} has a file", False)


def _compatible(reasons: list[str] | None) -> SchemaFinding:
    if reasons is None:
        return SchemaFinding("the schema is compatible", False)
    return SchemaFinding("the schema is not compatible" + "".join(f"\n    {printable(each)}" for each in reasons), True)


def _readable(
    registry: Registry, stream: Stream, declared: Registered, frozen: list[Frozen], new: RegisteredSchema
) -> SchemaFinding:
    """Returns whether the declaration fits a new schema.

    Of a JSON Schema, only whether it is one.
    """
    try:
        match declared:
            case Avro():
                Avro.parse_registered(declared.subject, [*frozen, _next(frozen, new.text)]).check(stream.fields)
            case Protobuf():
                known = [Frozen(each.number, each.schema_id, each.text) for each in declared.versions]
                added = _next(known, descriptor_of(new.text, imports_of(registry, new)))
                Protobuf.parse_registered(declared.subject, [*known, added], declared.message).check(stream.fields)
            case JsonSchema():
                # A JSON Schema does not say which type a declaration has, so the fields are not compared.
                if not isinstance(json.loads(new.text), dict | bool):
                    raise ValueError("it is no JSON Schema")
                return SchemaFinding(
                    f"the fields of the stream {stream.name} are not compared with a JSON Schema", False
                )
    except (ValueError, RecursionError) as error:
        return SchemaFinding(f"the stream {stream.name} does not fit the schema: {error}", True)
    return SchemaFinding(f"the stream {stream.name} fits the schema", False)


def _next(known: list[Frozen], text: str) -> Frozen:
    # Any other version and id: only the order matters.
    return Frozen(known[-1].version + 1, max(each.schema_id for each in known) + 1, text)
