"""Declares Confluent's wire format and a subject's frozen schemas.

A value is a zero byte, the schema's id in four bytes, and the record. ``tandem schemas pull`` writes the schemas to
files ``schemas/SUBJECT.vVERSION.idID.ENDING`` in the pipeline's folder. So no job needs a registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple
from urllib.parse import quote

# The folder of a pipeline's schemas.
FOLDER = "schemas"
AVRO_ENDING, JSON_ENDING = "avsc", "json"
# A Protobuf schema has two files: its text, and what its compiler makes of it.
PROTO_ENDING, DESCRIPTOR_ENDING = "proto", "descriptor.json"
MAGIC = b"\x00"
PREFIX_BYTES = 5
# Registries and Confluent's clients keep an id, and the number of a version, as a signed number of 32 bits.
LARGEST_ID = 2**31 - 1
# The beginning of a dead letter's detail if its schema is not among the files.
UNKNOWN_ID = "schema id %d"


class Frozen(NamedTuple):
    """One version of a subject: its number, its id in the registry, its text."""

    version: int
    schema_id: int
    text: str


def subject_of(topic: str | None = None, record: str | None = None) -> str:
    """Returns the subject's name, by one of Confluent's strategies.

    Args:
        topic: the topic; alone it means ``TopicNameStrategy``.
        record: the record's full name; alone it means ``RecordNameStrategy``, and with the topic
            ``TopicRecordNameStrategy``.

    Raises:
        ValueError: neither is given.

    Examples:
        >>> subject_of("orders"), subject_of(record="shop.Order"), subject_of("orders", "shop.Order")
        ('orders-value', 'shop.Order', 'orders-shop.Order')
    """
    if record:
        return f"{topic}-{record}" if topic else record
    if not topic:
        raise ValueError("the subject of a schema registry needs a topic, a record's name, or both")
    return f"{topic}-value"


def frozen_file(subject: str, version: int, schema_id: int, ending: str) -> str:
    """Returns the path of a schema's file below the pipeline's folder."""
    return f"{FOLDER}/{quote(subject, safe='')}.v{version}.id{schema_id}.{ending}"


def frozen_in(names: list[str], subject: str, ending: str) -> dict[str, tuple[int, int]]:
    """Returns the version and the id of each file of a subject, oldest first.

    Args:
        names: the names of the files in the folder.
        subject: the subject.
        ending: the files' ending.

    Raises:
        ValueError: two files have the same version or the same id, or an id is too large.
    """
    pattern = re.compile(rf"{re.escape(quote(subject, safe=''))}\.v([1-9][0-9]*)\.id([0-9]+)\.{re.escape(ending)}")
    found = {name: (int(match[1]), int(match[2])) for name in names if (match := pattern.fullmatch(name))}
    for name, (version, schema_id) in found.items():
        if schema_id > LARGEST_ID:
            raise ValueError(f"{FOLDER}/{name}: the id is larger than {LARGEST_ID}")
        for other, (its_version, its_id) in found.items():
            if other != name and (version == its_version or schema_id == its_id):
                raise ValueError(f"{FOLDER}: {name} and {other} have the same version or id; delete one")
    return dict(sorted(found.items(), key=lambda each: each[1]))


def frozen_schemas(package: str, subject: str, ending: str) -> list[Frozen]:
    """Returns the schemas of a subject in a package, oldest first.

    The package may be in a zip.

    Raises:
        ValueError: there is none, or as for ``frozen_in``.
    """
    folder = resources.files(package).joinpath(FOLDER)
    files = {each.name: each for each in (folder.iterdir() if folder.is_dir() else ())}
    found = frozen_in(list(files), subject, ending)
    if not found:
        raise ValueError(
            f"there is no schema of the subject {subject} in {package}; write it with `tandem schemas pull {subject}`"
        )
    return [Frozen(*numbers, files[name].read_text("utf-8")) for name, numbers in found.items()]


def prefix_of(schema_id: int) -> bytes:
    """Returns the bytes before a record of a schema.

    >>> prefix_of(258).hex()
    '0000000102'
    """
    return MAGIC + schema_id.to_bytes(PREFIX_BYTES - len(MAGIC), "big")


def not_frozen(subject: str) -> str:
    """Returns what the detail of a dead letter says after an unknown id."""
    return f": not among the schemas of {subject}; run `tandem schemas pull` and submit the job"


def id_in(value: bytes) -> int | None:
    """Returns the id in a value's prefix; None if it has no prefix."""
    if len(value) < PREFIX_BYTES or not value.startswith(MAGIC):
        return None
    return int.from_bytes(value[len(MAGIC) : PREFIX_BYTES], "big")


@dataclass(frozen=True)
class JsonSchema:
    """The format of a stream of JSON records in Confluent's wire format.

    The stream's declaration decides which records are valid. The schemas only say which ids are known.

    Attributes:
        subject: the registry's subject.
        schema_ids: the ids of its frozen schemas, oldest first. Producers write the newest one.
    """

    subject: str
    schema_ids: tuple[int, ...]

    @classmethod
    def registered(cls, package: str, *, topic: str | None = None, record: str | None = None) -> JsonSchema:
        """Returns the format that the frozen schemas of a package declare.

        Args:
            package: the pipeline's, its ``__package__``.
            topic: the topic in the subject's name; alone it means the subject ``TOPIC-value``.
            record: the record's name, which is the schema's title; alone it is the subject, with the topic the subject
                is ``TOPIC-RECORD``.

        Raises:
            ValueError: no schema of this subject is in the folder, or its files contradict each other.
        """
        subject = subject_of(topic, record)
        return cls(subject, tuple(each.schema_id for each in frozen_schemas(package, subject, JSON_ENDING)))

    @property
    def is_registered(self) -> bool:
        """Whether the records are in Confluent's wire format: always."""
        return True

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """The bytes before the records of each schema."""
        return tuple(map(prefix_of, self.schema_ids))
