"""Freezes the schemas of a subject in a pipeline's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.protobuf_descriptor import Descriptor
from tandem.engine.declare.wire_format import DESCRIPTOR_ENDING, PROTO_ENDING, frozen_file
from tandem.errors import TandemError
from tandem.schema_registry.client import RegisteredSchema, Registry
from tandem.schema_registry.protobuf import descriptor_of
from tandem.schema_registry.subjects import ENDINGS, frozen_of, is_same, printable


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
        schema = registry.schema(subject, version)
        try:
            files = files_of(registry, subject, schema)
        except ValueError as error:
            done.skipped.append(f"version {version} (id {schema.schema_id}): {error}")
            continue
        if _is_frozen(folder, subject, schema) and all((folder / path).exists() for path in files):
            done.known += 1
            continue
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
            done.new.append(path)
    return done


def files_of(registry: Registry, subject: str, schema: RegisteredSchema) -> dict[str, str]:
    """Returns the texts of a schema's files, by their paths in the folder.

    Raises:
        ValueError: a job cannot read records of the schema; the message is a reason for a terminal.
    """
    if schema.kind not in ENDINGS:
        raise ValueError(f"{printable(schema.kind)} is not supported")
    if schema.references and schema.kind != "PROTOBUF":
        raise ValueError("it refers to other schemas; register it with their content")
    try:
        if schema.kind == "PROTOBUF":
            found = descriptor_of(schema.text, registry.imported(schema))
            if Descriptor.parse(subject, found).first is None:
                raise ValueError("it has no message")
            texts = {PROTO_ENDING: f"{schema.text.rstrip()}\n", DESCRIPTOR_ENDING: found}
        else:
            if schema.kind == "AVRO":
                Version.parse(schema.version, subject, schema.text)
            text = json.dumps(json.loads(schema.text), indent=2, ensure_ascii=False)
            texts = {ENDINGS[schema.kind]: f"{text}\n"}
    except (ValueError, RecursionError) as error:
        raise ValueError(printable(str(error))) from None
    return {frozen_file(subject, schema.version, schema.schema_id, ending): text for ending, text in texts.items()}


def _is_frozen(folder: Path, subject: str, schema: RegisteredSchema) -> bool:
    for frozen in frozen_of(folder, subject, schema.kind):
        if frozen.schema_id == schema.schema_id and is_same(schema.kind, frozen.text, schema.text):
            return True
        if frozen.schema_id == schema.schema_id or frozen.version == schema.version:
            path = frozen_file(subject, frozen.version, frozen.schema_id, ENDINGS[schema.kind])
            raise TandemError(
                f"{path} is not what the registry has: version {schema.version} with id {schema.schema_id}",
                hint="delete that file and pull again, if this is the registry that the producers use",
            )
    return False
