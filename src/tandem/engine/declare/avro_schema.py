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
from typing import Any

from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.kind import Integer, Kind, String, Timestamp
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
# Logical types of a long that are times, and the length of their unit in microseconds.
MICROS = {"timestamp-millis": 1000, "timestamp-micros": 1}

# The types that a stream's fields can have, and their names in a schema.
_STRING, _INTEGER, _TIMESTAMP = String(), Integer(), Timestamp()
_IN_AVRO: Mapping[Kind, str] = {
    _STRING: "a string",
    _INTEGER: "an int or a long",
    _TIMESTAMP: "a long with the logicalType timestamp-millis or timestamp-micros",
}


@dataclass(frozen=True)
class Source:
    """Where a declared field's value is in the records of a version.

    Attributes:
        name: the record's field; None if the value is the default of the newest schema.
        micros: the length of a time's unit in microseconds.
        default: the default of the newest schema; None is Avro's null.
    """

    name: str | None
    micros: int = 1
    default: str | int | None = None


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
        """Raises ValueError if the newest schema lacks or contradicts a declared field.

        It also raises if Avro does not support the type of a declared field.
        """
        for name, kind in fields.items():
            if kind not in [*_IN_AVRO]:
                described = "optional" if kind.is_optional else f"of type {kind}"
                raise ValueError(
                    f"field {name!r} is {described}: in Avro a stream has STRING, INTEGER and TIMESTAMP fields, all of "
                    "them required"
                )
            of_name = self.newest.fields.get(name)
            place = self.newest.place
            if of_name is None:
                raise ValueError(f"{place}: has no field {name!r}, which the stream declares")
            if kind_of(of_name["type"])[0] != kind:
                wanted = _IN_AVRO[kind]
                raise ValueError(f"{place}: field {name!r} is declared as {kind}, which is {wanted} in Avro")

    def source(self, version: Version, name: str, kind: Kind) -> Source | None:
        """Returns the source of a declared field in this version's records.

        The source is the field of the same name or of an alias, else the default of the newest schema. None if the
        field has another type, or is missing without a default; see ``lacks``.
        """
        newest, fields = self.newest.fields[name], version.fields
        named = next((each for each in (name, *newest.get("aliases", ())) if each in fields), None)
        if named is not None:
            its_kind, micros = kind_of(fields[named]["type"])
            return Source(named, micros) if its_kind == kind else None
        if "default" not in newest:
            return None
        return Source(None, kind_of(newest["type"])[1], newest["default"])

    def lacks(self, version: Version, name: str) -> bool:
        """Returns whether a version's records have no such field under any of its names."""
        return not {name, *self.newest.fields[name].get("aliases", ())} & version.fields.keys()


def file_of(subject: str, number: int) -> str:
    """Returns the path of a schema's file below the pipeline's folder."""
    return f"{FOLDER}/{subject}.v{number}.avsc"


def kind_of(avro_type: Any) -> tuple[Kind | None, int]:
    """Returns the declared type of an Avro type, and a time's unit in microseconds."""
    if isinstance(avro_type, list):
        others = [each for each in avro_type if each != "null"]
        return kind_of(others[0]) if len(others) == 1 and len(avro_type) == 2 else (None, 1)
    logical = None
    if isinstance(avro_type, dict):
        avro_type, logical = avro_type.get("type"), avro_type.get("logicalType")
    if avro_type == "string":
        return _STRING, 1
    if avro_type == "long" and logical in MICROS:
        return _TIMESTAMP, MICROS[logical]
    return (_INTEGER if avro_type in ("int", "long") else None), 1
