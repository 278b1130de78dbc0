"""Validates one Avro record, independently of ``engine.read.avro_format``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.stream import DeadLetterError, Stream
from tandem.engine.declare.wire_format import UNKNOWN_ID, id_in
from tandem.producer.avro_encoder import header_of
from tandem.verify.avro_scalars import Read
from tandem.verify.avro_values import record_reader
from tandem.verify.field_values import Refused
from tandem.verify.strict_avro import decoder


class AvroRecords:
    """Reads the records of one stream.

    Args:
        stream: the declaration of the events.
        avro: the stream's schemas.
    """

    def __init__(self, stream: Stream, avro: Avro) -> None:
        self._header = avro.header
        self._known: dict[bytes, tuple[Callable[[bytes], Any], Read]] = {}
        for version in avro.versions:
            read = record_reader(stream.fields, version.record, avro.newest.record)
            self._known[header_of(version)] = decoder(version.record), read

    def fields(self, value: bytes) -> dict[str, Any]:
        """Returns the declared fields of a record, a timestamp in microseconds.

        Raises:
            Refused: it cannot be accepted.
        """
        document, read = self._read(value)
        found: dict[str, Any] = read(document)
        return found

    def document(self, value: bytes) -> Mapping[str, Any]:
        """Returns a record's content, with texts if they are UTF-8.

        Raises Refused if it is unreadable.
        """
        document, _ = self._read(value)
        return {name: _shown(each) for name, each in document.items()}

    def _read(self, value: bytes) -> tuple[dict[str, Any], Read]:
        length = self._header.length
        if len(value) < length or not value.startswith(self._header.mark):
            raise Refused(DeadLetterError.NOT_AVRO)
        known = self._known.get(value[:length])
        if known is None:
            schema_id = id_in(value)
            raise Refused(DeadLetterError.UNKNOWN_SCHEMA, "" if schema_id is None else UNKNOWN_ID % schema_id)
        decode, read = known
        try:
            return decode(value[length:]), read
        except ValueError:
            raise Refused(DeadLetterError.NOT_AVRO) from None


def _shown(value: Any) -> Any:
    """Returns a decoded value with its texts; strings and bytes are decoded alike."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list):
        return [_shown(each) for each in value]
    return {_shown(name): _shown(each) for name, each in value.items()} if isinstance(value, dict) else value
