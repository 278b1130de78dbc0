"""Freezes the schemas of a subject in a pipeline's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.wire_format import frozen_file
from tandem.errors import TandemError
from tandem.schema_registry.client import RegisteredSchema, Registry
from tandem.schema_registry.other_subjects import completed
from tandem.schema_registry.subjects import ENDINGS, frozen_of, printable, same_json


class UnreadableError(Exception):
    """A job cannot read the records of a schema, and the reason."""


@dataclass
class Pulled:
    """What a pull did.

    Attributes:
        new: the paths of the files that it wrote, below the pipeline's folder.
        known: the number of versions whose files existed.
        skipped: for each version that a job cannot read, its name and the reason.
    """

    new: list[str] = field(default_factory=list)
    known: int = 0
    skipped: list[str] = field(default_factory=list)


def pull(registry: Registry, folder: Path, subject: str) -> Pulled:
    """Writes the versions of a subject that have no file yet.

    Args:
        registry: the registry.
        folder: the pipeline's folder.
        subject: the subject.

    Raises:
        TandemError: the registry has no such subject, or a file contradicts the registry.
    """
    done = Pulled()
    for version in registry.versions(subject):
        registered = registry.schema(subject, version)
        try:
            schema = readable(registry, subject, registered)
        except UnreadableError as error:
            done.skipped.append(f"version {version} (id {registered.schema_id}): {error}")
            continue
        if _is_frozen(folder, subject, schema):
            done.known += 1
        else:
            path = frozen_file(subject, version, schema.schema_id, ENDINGS[schema.kind])
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            text = json.dumps(json.loads(schema.text), indent=2, ensure_ascii=False)
            file.write_text(f"{text}\n", "utf-8")
            done.new.append(path)
    return done


def readable(registry: Registry, subject: str, schema: RegisteredSchema) -> RegisteredSchema:
    """Returns a schema with what it refers to, if a job can read its records.

    Raises:
        UnreadableError: a job cannot.
        EnvironmentNotReadyError: the registry does not answer.
    """
    if schema.kind not in ENDINGS:
        raise UnreadableError(f"{printable(schema.kind)} is not supported")
    try:
        whole = completed(registry, schema)
        if schema.kind == "AVRO":
            Version.parse(schema.version, subject, whole.text)
        else:
            json.loads(whole.text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(printable(str(error))) from None
    return whole


def _is_frozen(folder: Path, subject: str, schema: RegisteredSchema) -> bool:
    for frozen in frozen_of(folder, subject, schema.kind):
        if frozen.schema_id == schema.schema_id and same_json(frozen.text, schema.text):
            return True
        if frozen.schema_id == schema.schema_id or frozen.version == schema.version:
            path = frozen_file(subject, frozen.version, frozen.schema_id, ENDINGS[schema.kind])
            raise TandemError(
                f"{path} is not what the registry has: version {schema.version} with id {schema.schema_id}",
                hint="delete that file and pull again, if this is the registry that the producers use",
            )
    return False
