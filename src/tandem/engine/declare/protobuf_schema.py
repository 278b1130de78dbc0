"""Declares the Protobuf schemas of a stream, without Spark.

A value is in Confluent's wire format: the prefix of ``wire_format``, the place of the message in the schema's file, and
the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tandem.engine.declare.kind import Kind
from tandem.engine.declare.protobuf_descriptor import Descriptor, Message
from tandem.engine.declare.protobuf_resolution import ProtobufSource, Scope, problems, sources
from tandem.engine.declare.protobuf_types import in_protobuf
from tandem.engine.declare.wire_format import (
    DESCRIPTOR_ENDING,
    Frozen,
    frozen_file,
    frozen_schemas,
    prefix_of,
    subject_of,
)


@dataclass(frozen=True)
class ProtobufVersion:
    """One schema of a stream.

    Attributes:
        number: its version in the registry.
        place: the path of the descriptor's file below the pipeline's folder.
        schema_id: its id in the registry.
        text: the descriptor's text.
        types: the same, parsed.
        message: the message of the stream's records; None if this version does not have it.
    """

    number: int
    place: str
    schema_id: int
    text: str = field(repr=False)
    types: Descriptor = field(compare=False, repr=False)
    message: Message | None = field(compare=False, repr=False)

    @property
    def headers(self) -> tuple[bytes, ...]:
        """The possible bytes before a record, the usual ones first.

        None if this version has no such record.
        """
        if self.message is None:
            return ()
        places = [self.message.indexes]
        # Some of Confluent's serializers count the entries of maps as messages. Of two meanings, the other one counts.
        if all(self.message.counted != each.indexes for each in self.types.messages.values()):
            places.append(self.message.counted)
        prefix = prefix_of(self.schema_id)
        return tuple(prefix + each for place in places for each in headers_of(place))


@dataclass(frozen=True)
class Protobuf:
    """The format of a stream of Protobuf records.

    Attributes:
        subject: the registry's subject.
        message: the full name of the records' message.
        versions: the schemas, oldest first.
    """

    subject: str
    message: str
    versions: tuple[ProtobufVersion, ...]

    @classmethod
    def registered(
        cls, package: str, *, topic: str | None = None, record: str | None = None, message: str | None = None
    ) -> Protobuf:
        """Returns the format of records in Confluent's wire format.

        The package holds the frozen schemas.

        Args:
            package: the pipeline's, its ``__package__``.
            topic: the topic in the subject's name; alone it means the subject ``TOPIC-value``.
            record: the message's full name; alone it is the subject, with the topic the subject is ``TOPIC-RECORD``.
            message: the message's full name. The default is ``record``, else the first message of the newest schema.

        Raises:
            ValueError: no schema of this subject is in the folder, or one of them cannot be used.
        """
        subject = subject_of(topic, record)
        return cls.parse_registered(subject, frozen_schemas(package, subject, DESCRIPTOR_ENDING), message or record)

    @classmethod
    def parse_registered(cls, subject: str, frozen: Iterable[Frozen], message: str | None = None) -> Protobuf:
        """Returns the format, given the frozen descriptors of a subject, oldest first.

        Raises ValueError as ``registered`` does.
        """
        parsed = []
        for version, schema_id, text in frozen:
            place = frozen_file(subject, version, schema_id, DESCRIPTOR_ENDING)
            parsed.append((version, place, schema_id, text, Descriptor.parse(place, text)))
        _, place, *_, newest = parsed[-1]
        first = newest.first
        name = message or ("" if first is None else first.name)
        if name not in newest.messages or not newest.messages[name].indexes:
            raise ValueError(f"{place}: has no message {name}".rstrip())
        return cls(subject, name, tuple(ProtobufVersion(*each, _own(each[-1], name)) for each in parsed))

    @property
    def is_registered(self) -> bool:
        """Whether the records are in Confluent's wire format: always."""
        return True

    @property
    def newest(self) -> ProtobufVersion:
        """The schema of producers."""
        return self.versions[-1]

    def check(self, fields: Mapping[str, Kind]) -> None:
        """Raises ValueError if the newest schema lacks or contradicts a declared field."""
        place = self.newest.place
        for path, source in problems(self.sources(self.newest, fields)):
            if source.field is None:
                raise ValueError(f"{place}: {self.message} has no field {path!r}, which the stream declares")
            needed = in_protobuf(source.kind)
            raise ValueError(f"{place}: field {path!r} is declared as {source.kind}, which needs {needed}")

    def sources(self, version: ProtobufVersion, fields: Mapping[str, Kind]) -> Mapping[str, ProtobufSource]:
        """Returns the sources of the declared fields in a version's records.

        None if it has no such records.
        """
        if version.message is None or self.newest.message is None:
            return {}
        return sources(fields, Scope(version.message, version.types), Scope(self.newest.message, self.newest.types))


def headers_of(indexes: tuple[int, ...]) -> list[bytes]:
    """Returns the encodings of a message's place in its file, the usual one first.

    >>> headers_of((0,)), headers_of((1, 0))
    ([b'\\x00', b'\\x02\\x00'], [b'\\x04\\x02\\x00'])
    """
    full = b"".join(map(_zigzag, (len(indexes), *indexes)))
    # One zero means the first message.
    return [b"\x00", full] if indexes == (0,) else [full]


def _zigzag(number: int) -> bytes:
    """Returns a number that is not negative as Protobuf writes a ``sint32``."""
    number <<= 1
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


def _own(types: Descriptor, name: str) -> Message | None:
    message = types.messages.get(name)
    return message if message is not None and message.indexes else None
