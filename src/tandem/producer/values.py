"""Encodes a stream's sample records in the stream's format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tandem.engine.declare.stream import Stream
from tandem.producer import odd_records
from tandem.producer.avro_values import AvroValues
from tandem.producer.json_encoding import fields_encoder

Fields = Mapping[str, Any]


class Values(Protocol):
    """One format.

    Fields are those of ``sample.Event``; a choice is a number in [0, 1).
    """

    def plain(self, fields: Fields) -> bytes:
        """Returns an event in the usual form."""

    def unusual(self, fields: Fields, choice: float) -> bytes:
        """Returns the same event in an unusual but valid form."""

    def malformed(self, fields: Fields, choice: float) -> tuple[str, bytes | None]:
        """Returns a kind and a value that must become a dead letter."""


def values_of(stream: Stream) -> Values:
    """Returns the encoder of a stream's format."""
    return JsonValues(stream) if stream.format is None else AvroValues(stream, stream.format)


class JsonValues:
    """JSON in UTF-8."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._kinds = stream, odd_records.kinds_of(stream)
        self._written = fields_encoder(stream.fields)

    def plain(self, fields: Fields) -> bytes:
        """See ``Values.plain``."""
        return odd_records.dump(self._written(fields))

    def unusual(self, fields: Fields, choice: float) -> bytes:
        """See ``Values.unusual``."""
        return odd_records.unusual(self._written(fields), self._stream, choice)

    def malformed(self, fields: Fields, choice: float) -> tuple[str, bytes | None]:
        """See ``Values.malformed``."""
        return odd_records.malformed(self._written(fields), self._stream, self._kinds, choice)
