"""Declares the Avro schemas of a stream, without Spark.

A value is in Avro's single-object encoding: a marker of two bytes, the fingerprint of the writer's schema, and the
record. Or it is in Confluent's wire format; see ``wire_format``. The schemas are files in the folder ``schemas`` of the
pipeline. Producers write with the newest schema. The job reads records of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from tandem.engine.declare.avro_resolution import sources
from tandem.engine.declare.avro_source import AvroSource, SourceProblem, problems
from tandem.engine.declare.avro_types import in_avro
from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.kind import Kind
from tandem.engine.declare.wire_format import (
    AVRO_ENDING,
    FOLDER,
    MAGIC,
    PREFIX_BYTES,
    Frozen,
    frozen_file,
    frozen_schemas,
    subject_of,
)

# Avro's Java reader allocates as much memory as a length field says, before it notices that the record ends. These
# limits protect it: no record in Kafka is longer, and no array or map may have more items.
MAX_LENGTH = 64 * 1024 * 1024
MAX_ITEMS = 1_000_000
JAVA_LIMITS = " ".join(
    f"-Dorg.apache.avro.limits.{what}.maxLength={limit}"
    for what, limit in (("bytes", MAX_LENGTH), ("string", MAX_LENGTH), ("collectionItems", MAX_ITEMS))
)


@dataclass(frozen=True)
class Header:
    """The kind of bytes that name a record's schema before the record.

    Attributes:
        encoding: the name of the encoding.
        mark: the first bytes, always the same.
        length: the number of bytes with the mark.
    """

    encoding: str
    mark: bytes
    length: int


SINGLE_OBJECT = Header("Avro's single-object encoding", b"\xc3\x01", 10)
CONFLUENT = Header("Confluent's wire format", MAGIC, PREFIX_BYTES)


@dataclass(frozen=True)
class Avro:
    """The format of a stream of Avro records.

    Attributes:
        subject: NAME in the names of the files, or the registry's subject.
        versions: the schemas, oldest first.
        header: what precedes each record.
    """

    subject: str
    versions: tuple[Version, ...]
    header: Header = SINGLE_OBJECT

    @classmethod
    def of(cls, package: str, subject: str) -> Avro:
        """Returns the format that the schemas of a package declare.

        The package may be in a zip.

        Args:
            package: the pipeline's, its ``__package__``.
            subject: the files are ``schemas/SUBJECT.v1.avsc``, ``schemas/SUBJECT.v2.avsc`` and so on.

        Raises:
            ValueError: there is no such file, or one of them cannot be used.
        """
        pattern = re.compile(rf"{re.escape(subject)}\.v([1-9][0-9]*)\.avsc")
        folder = resources.files(package).joinpath(FOLDER)
        sources = {
            int(match[1]): each.read_text("utf-8")
            for each in (folder.iterdir() if folder.is_dir() else ())
            if (match := pattern.fullmatch(each.name))
        }
        if not sources:
            raise ValueError(f"there is no {FOLDER}/{subject}.v1.avsc in {package}")
        return cls.parse(subject, sources)

    @classmethod
    def registered(cls, package: str, *, topic: str | None = None, record: str | None = None) -> Avro:
        """Returns the format of records in Confluent's wire format.

        The package holds the frozen schemas.

        Args:
            package: the pipeline's, its ``__package__``.
            topic: the topic in the subject's name; alone it means the subject ``TOPIC-value``.
            record: the record's full name; alone it is the subject, with the topic the subject is ``TOPIC-RECORD``.

        Raises:
            ValueError: no schema of this subject is in the folder, or one of them cannot be used.
        """
        subject = subject_of(topic, record)
        return cls.parse_registered(subject, frozen_schemas(package, subject, AVRO_ENDING))

    @classmethod
    def parse_registered(cls, subject: str, frozen: Iterable[Frozen]) -> Avro:
        """Returns the format, given the frozen schemas of a subject, oldest first.

        Raises ValueError as ``registered`` does.
        """
        versions = (
            Version.parse(version, frozen_file(subject, version, schema_id, AVRO_ENDING), text, schema_id)
            for version, schema_id, text in frozen
        )
        return cls(subject, tuple(versions), CONFLUENT)

    @classmethod
    def parse(cls, subject: str, texts: Mapping[int, str]) -> Avro:
        """Returns the format, given the texts of its schemas by number.

        Raises ValueError as ``of`` does.
        """
        versions: list[Version] = []
        for number, text in sorted(texts.items()):
            version = Version.parse(number, file_of(subject, number), text)
            if same := next((each for each in versions if each.canonical == version.canonical), None):
                raise ValueError(
                    f"{version.place}: in bytes the same as {same.place}, so a record does not show which "
                    "schema it has; change that file instead, or rename a field that changes its meaning"
                )
            versions.append(version)
        return cls(subject, tuple(versions))

    @property
    def is_registered(self) -> bool:
        """Whether the records are in Confluent's wire format."""
        return self.header == CONFLUENT

    @property
    def newest(self) -> Version:
        """The schema of producers.

        Its defaults and aliases apply to records of older schemas.
        """
        return self.versions[-1]

    def check(self, fields: Mapping[str, Kind]) -> None:
        """Raises ValueError if the newest schema lacks or contradicts a declared field."""
        for path, source in problems(self.sources(self.newest, fields)):
            place, kind = self.newest.place, source.kind
            if source.problem is not SourceProblem.WRONG_TYPE:
                raise ValueError(f"{place}: has no field {path!r}, which the stream declares")
            raise ValueError(f"{place}: field {path!r} is declared as {kind}, which needs {in_avro(kind)}")

    def sources(self, version: Version, fields: Mapping[str, Kind]) -> Mapping[str, AvroSource]:
        """Returns the sources of the declared fields in a version's records."""
        return sources(fields, version.record, self.newest.record)


def file_of(subject: str, number: int) -> str:
    """Returns the path of a schema's file below the pipeline's folder."""
    return f"{FOLDER}/{subject}.v{number}.avsc"
