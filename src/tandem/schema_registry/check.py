"""Compares a stream's declaration and its frozen schemas with the registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.wire_format import Frozen, JsonSchema
from tandem.schema_registry.client import RegisteredSchema, Registry
from tandem.schema_registry.pull import unusable
from tandem.schema_registry.subjects import frozen_of, printable, same_json


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
class Finding:
    """One result of a check: a sentence, and whether it is a problem."""

    text: str
    is_problem: bool


def check(
    registry: Registry,
    folder: Path,
    stream: Stream,
    declared: Avro | JsonSchema,
    *,
    new: str | None = None,
    level: Level | None = None,
) -> Iterator[Finding]:
    """Yields the results for one stream.

    Args:
        registry: the registry.
        folder: the pipeline's folder.
        stream: the stream.
        declared: its format.
        new: the text of a schema that is not registered yet. None checks the newest frozen one.
        level: the level that the subject must have at least; None accepts any.

    Raises:
        TandemError: the registry does not answer, or has no such subject.
    """
    subject, kind = declared.subject, "AVRO" if isinstance(declared, Avro) else "JSON"
    frozen = frozen_of(folder, subject, kind)
    schemas = [registry.schema(subject, version) for version in registry.versions(subject)]
    for schema in schemas:
        if reason := unusable(subject, schema):
            yield Finding(f"version {schema.version} (id {schema.schema_id}) cannot be read: {reason}", True)
        elif schema.kind != kind:
            yield Finding(
                f"version {schema.version} (id {schema.schema_id}) is {printable(schema.kind)}, not {kind}", True
            )
        else:
            yield from _frozen(schema, frozen)
    found = registry.level(subject)
    met = level is None or level.is_met_by(found)
    wanted = "" if met else f", which does not include {level}"
    yield Finding(f"the registry checks new versions at level {printable(found)}{wanted}", not met)
    yield from _compatible(registry, subject, kind, new or frozen[-1].text)
    if new is not None:
        yield from _readable(stream, declared, frozen, new)


def _frozen(schema: RegisteredSchema, frozen: list[Frozen]) -> Iterator[Finding]:
    name = f"version {schema.version} (id {schema.schema_id})"
    file = next((each for each in frozen if each.schema_id == schema.schema_id), None)
    if file is None:
        yield Finding(f"{name} has no file; its records become dead letters until `tandem schemas pull`", True)
    elif not same_json(file.text, schema.text):
        yield Finding(f"{name} is not what its file says; delete the file and pull again", True)
    else:
        yield Finding(f"{name} has a file", False)


def _compatible(registry: Registry, subject: str, kind: str, text: str) -> Iterator[Finding]:
    reasons = registry.incompatibilities(subject, kind, text)
    if reasons is None:
        yield Finding("the schema is compatible", False)
    else:
        yield Finding("the schema is not compatible" + "".join(f"\n    {printable(each)}" for each in reasons), True)


def _readable(stream: Stream, declared: Avro | JsonSchema, frozen: list[Frozen], new: str) -> Iterator[Finding]:
    """Yields whether the declaration fits a new schema."""
    try:
        if isinstance(declared, Avro):
            # Any other version and id: only the order matters.
            added = Frozen(frozen[-1].version + 1, max(each.schema_id for each in frozen) + 1, new)
            Avro.parse_registered(declared.subject, [*frozen, added]).check(stream.fields)
        else:
            json.loads(new)
    except ValueError as error:
        yield Finding(f"the stream {stream.name} does not fit the schema: {error}", True)
    else:
        yield Finding(f"the stream {stream.name} fits the schema", False)
