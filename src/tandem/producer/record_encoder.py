"""Encodes a stream's sample records in the stream's format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.wire_format import JsonSchema
from tandem.producer import odd_records
from tandem.producer.avro_encoder import AvroRecordEncoder
from tandem.producer.json_encoding import fields_encoder
from tandem.producer.protobuf_encoder import ProtobufRecordEncoder

Fields = Mapping[str, Any]
# One of this many malformed records has no prefix, and one has an unknown id.
_OF_PREFIX = 8


class RecordEncoder(Protocol):
    """One format.

    Fields are those of ``sample.Event``; a choice is a number in [0, 1).
    """

    def plain(self, fields: Fields) -> bytes:
        """Returns an event in the usual form."""

    def unusual(self, fields: Fields, choice: float) -> bytes:
        """Returns the same event in an unusual but valid form."""

    def malformed(self, fields: Fields, choice: float) -> tuple[str, bytes | None]:
        """Returns a kind and a value that must become a dead letter."""


def encoder_of(stream: Stream) -> RecordEncoder:
    """Returns the encoder of a stream's format."""
    match stream.format:
        case None:
            return JsonRecordEncoder(stream)
        case Avro():
            return AvroRecordEncoder(stream, stream.format)
        case Protobuf():
            return ProtobufRecordEncoder(stream, stream.format)
        case JsonSchema():
            return PrefixedJsonRecordEncoder(stream, stream.format)


class JsonRecordEncoder:
    """JSON in UTF-8."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._kinds = stream, odd_records.kinds_of(stream)
        self._written = fields_encoder(stream.fields)

    def plain(self, fields: Fields) -> bytes:
        """See ``RecordEncoder.plain``."""
        return odd_records.dump(self._written(fields))

    def unusual(self, fields: Fields, choice: float) -> bytes:
        """See ``RecordEncoder.unusual``."""
        return odd_records.unusual(self._written(fields), self._stream, choice)

    def malformed(self, fields: Fields, choice: float) -> tuple[str, bytes | None]:
        """See ``RecordEncoder.malformed``."""
        return odd_records.malformed(self._written(fields), self._stream, self._kinds, choice)


class PrefixedJsonRecordEncoder:
    """JSON in UTF-8 in Confluent's wire format.

    Records of an older schema count as unusual, too.

    Args:
        stream: the records' stream.
        schemas: its schemas.
    """

    def __init__(self, stream: Stream, schemas: JsonSchema) -> None:
        self._json, self._prefixes = JsonRecordEncoder(stream), schemas.prefixes

    def plain(self, fields: Fields) -> bytes:
        """See ``RecordEncoder.plain``."""
        return self._prefixes[-1] + self._json.plain(fields)

    def unusual(self, fields: Fields, choice: float) -> bytes:
        """See ``RecordEncoder.unusual``."""
        return self._prefixes[int(choice * len(self._prefixes))] + self._json.unusual(fields, choice)

    def malformed(self, fields: Fields, choice: float) -> tuple[str, bytes | None]:
        """See ``RecordEncoder.malformed``."""
        which, rest = divmod(choice * _OF_PREFIX, 1)
        if which == 0:
            return "no_prefix", self._json.plain(fields)
        if which == 1:
            # No registry has a negative id.
            return "unknown_schema", b"\x00\xff" + self.plain(fields)[2:]
        kind, value = self._json.malformed(fields, rest)
        return kind, self._prefixes[-1] + value if value else value
