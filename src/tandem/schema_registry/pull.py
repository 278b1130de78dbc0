"""Freezes the schemas of a subject in a pipeline's folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.protobuf_descriptor import Descriptor
from tandem.engine.declare.wire_format import DESCRIPTOR_ENDING, FOLDER, PROTO_ENDING, Frozen, frozen_file
from tandem.errors import TandemError
from tandem.schema_registry.client import RegisteredSchema, Registry
from tandem.schema_registry.other_subjects import completed, referred
from tandem.schema_registry.protobuf import descriptor_of
from tandem.schema_registry.subjects import ENDINGS, frozen_of, is_same, printable


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
        TandemError: the registry has no such subject, a file contradicts the registry, or a file cannot be written.
    """
    done = Pulled()
    for version in registry.versions(subject):
        registered = registry.schema(subject, version)
        try:
            schema, texts = readable(registry, subject, registered)
        except UnreadableError as error:
            done.skipped.append(f"version {version} (id {registered.schema_id}): {error}")
            continue
        frozen = _frozen(folder, subject, schema)
        # A schema that was deleted and registered again has another number.
        number = schema.version if frozen is None else frozen.version
        if frozen is not None and has_files(folder, subject, frozen, texts):
            done.known += 1
            continue
        files = {frozen_file(subject, number, schema.schema_id, ending): text for ending, text in texts.items()}
        _write(folder, files)
        done.new += files
    return done


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Writes the files of one schema, all or none."""
    drafts = {folder / path: folder / f"{path}.draft" for path in files}
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
        for draft, text in zip(drafts.values(), files.values(), strict=True):
            draft.write_text(f"{text}\n", "utf-8")
        for file, draft in drafts.items():
            draft.replace(file)
    except OSError as error:
        for draft in drafts.values():
            with suppress(OSError):
                draft.unlink()
        raise TandemError(
            f"{error.filename} cannot be written: {error.strerror}",
            hint=f"make {folder / FOLDER} a folder that you may write to",
        ) from None


def has_files(folder: Path, subject: str, frozen: Frozen, endings: Iterable[str]) -> bool:
    """Returns whether a frozen schema has all its files in a pipeline's folder."""
    return all((folder / frozen_file(subject, frozen.version, frozen.schema_id, each)).exists() for each in endings)


def readable(registry: Registry, subject: str, schema: RegisteredSchema) -> tuple[RegisteredSchema, dict[str, str]]:
    """Returns a schema as its file has it, and the texts of its files.

    The texts are by the files' endings. They have what the schema refers to.

    Raises:
        UnreadableError: a job cannot read its records.
        EnvironmentNotReadyError: the registry does not answer.
    """
    if schema.kind not in ENDINGS:
        raise UnreadableError(f"{printable(schema.kind)} is not supported")
    try:
        whole, texts = schema, {}
        if schema.kind == "PROTOBUF":
            texts = {PROTO_ENDING: schema.text.rstrip(), DESCRIPTOR_ENDING: _descriptor(registry, subject, schema)}
        else:
            whole = completed(registry, schema)
            if schema.kind == "AVRO":
                Version.parse(schema.version, subject, whole.text)
            texts[ENDINGS[schema.kind]] = json.dumps(json.loads(whole.text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(printable(str(error))) from None
    return whole, texts


def _descriptor(registry: Registry, subject: str, schema: RegisteredSchema) -> str:
    found = descriptor_of(schema.text, imports_of(registry, schema))
    if Descriptor.parse(subject, found).first is None:
        raise ValueError("it has no message")
    return found


def imports_of(registry: Registry, schema: RegisteredSchema) -> dict[str, str]:
    """Returns the schemas that a Protobuf schema imports, by the names in its imports.

    Raises ValueError and EnvironmentNotReadyError as ``completed`` does.
    """
    found: dict[str, str] = {}
    for reference, each in referred(registry, schema).items():
        # Of two versions of a file, Confluent's registry and serializers take the one that is referred to first.
        found.setdefault(reference.name, each.text)
    return found


def _frozen(folder: Path, subject: str, schema: RegisteredSchema) -> Frozen | None:
    for frozen in frozen_of(folder, subject, schema.kind):
        if frozen.schema_id == schema.schema_id and is_same(schema.kind, frozen.text, schema.text):
            return frozen
        if frozen.schema_id == schema.schema_id or frozen.version == schema.version:
            path = frozen_file(subject, frozen.version, frozen.schema_id, ENDINGS[schema.kind])
            raise TandemError(
                f"{path} is not what the registry has: version {schema.version} with id {schema.schema_id}",
                hint="delete that file and pull again, if this is the registry that the producers use",
            )
    return None
