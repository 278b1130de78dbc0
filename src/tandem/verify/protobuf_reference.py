"""Validates one Protobuf record, independently of ``engine.read.protobuf_records``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError, Message

from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import DeadLetterError, Stream
from tandem.engine.declare.wire_format import UNKNOWN_ID, id_in
from tandem.producer.protobuf_encoder import message_class
from tandem.verify.field_values import Read, Refused
from tandem.verify.protobuf_messages import Shape, decoder
from tandem.verify.protobuf_types import Of, Types
from tandem.verify.protobuf_values import record_reader


class ProtobufRecords:
    """Reads the records of one stream.

    Args:
        stream: the declaration of the events.
        protobuf: the stream's schemas.
    """

    def __init__(self, stream: Stream, protobuf: Protobuf) -> None:
        name = f".{protobuf.message}"
        types = [Types(version.text) for version in protobuf.versions]
        newest = Of(types[-1].messages[name], types[-1])
        self._known: dict[int, tuple[tuple[bytes, ...], Callable[[bytes], Any], Read]] = {}
        for version, own in zip(protobuf.versions, types, strict=True):
            # A version without the message has no records.
            of = Of(own.messages[name], own) if version.headers else newest
            part = record_reader(stream.fields, of, newest)
            self._known[version.schema_id] = version.headers, decoder(part.inner or Shape()), part.read
        self._whole = {
            version.schema_id: message_class(version, protobuf.message)
            for version in protobuf.versions
            if version.headers
        }

    def fields(self, value: bytes) -> dict[str, Any]:
        """Returns the declared fields of a record, a timestamp in microseconds.

        Raises:
            Refused: it cannot be accepted.
        """
        headers, decode, read = self._known[self._id(value)]
        try:
            message = decode(_behind(value, headers))
        except ValueError:
            raise Refused(DeadLetterError.NOT_PROTOBUF) from None
        found: dict[str, Any] = read(message)
        return found

    def document(self, value: bytes) -> dict[str, Any]:
        """Returns a record's content.

        Raises Refused if it is unreadable.
        """
        schema_id = self._id(value)
        headers, *_ = self._known[schema_id]
        content = _behind(value, headers)
        try:
            found: dict[str, Any] = _shown(self._whole[schema_id].FromString(content))
        except DecodeError:
            raise Refused(DeadLetterError.NOT_PROTOBUF) from None
        return found

    def _id(self, value: bytes) -> int:
        schema_id = id_in(value)
        if schema_id is None:
            raise Refused(DeadLetterError.NOT_PROTOBUF)
        if schema_id not in self._known:
            raise Refused(DeadLetterError.UNKNOWN_SCHEMA, UNKNOWN_ID % schema_id)
        return schema_id


def _behind(value: bytes, headers: tuple[bytes, ...]) -> bytes:
    """Returns the message behind the header."""
    for each in headers:
        if value.startswith(each):
            return value[len(each) :]
    raise Refused(DeadLetterError.NOT_PROTOBUF)


def _shown(value: Any) -> Any:
    """Returns a message with the fields that are set."""
    if isinstance(value, Message):
        return {field.name: _shown(each) for field, each in value.ListFields()}
    if isinstance(value, Mapping):
        return {key: _shown(each) for key, each in value.items()}
    return (
        [_shown(each) for each in value]
        if isinstance(value, Sequence) and not isinstance(value, str | bytes)
        else value
    )
