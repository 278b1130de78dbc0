"""Validates one record like the engine, in plain Python.

``engine.read.parse`` with ``engine.read.reject`` is the other implementation. Both use the declaration and share
nothing else. They must agree for any bytes, and a property test compares them. Change both together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.control_record import CONTROL_FIELD, CONTROL_KEY, CONTROL_TIME_FIELD
from tandem.engine.declare.kind import FIRST_MICROS, LAST_MICROS
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import REGISTRY_PREFIX, DeadLetterError, Stream
from tandem.engine.declare.wire_format import PREFIX_BYTES, UNKNOWN_ID, JsonSchema, id_in
from tandem.producer.document_id import at, identity_in
from tandem.verify import strict_json
from tandem.verify.avro_reference import AvroRecords
from tandem.verify.field_values import Refused, fields_reader, micros
from tandem.verify.protobuf_reference import ProtobufRecords

# An event's columns: the fields (``field_values.fields_reader``), and those that ``Stream`` adds.
Fields = dict[str, Any]


class Accepted(NamedTuple):
    """A record that was accepted."""

    fields: Fields


class Dead(NamedTuple):
    """A rejected record: the error code, and the field's path or the prefix, if any."""

    error: DeadLetterError
    detail: str = ""


class Control(NamedTuple):
    """A record that only advances the watermark of its sender.

    Attributes:
        time: the event time in microseconds; None if another job sent it.
    """

    time: int | None


class Ignored(NamedTuple):
    """A tombstone of a stream that ignores them."""


# The names of a record's parts in the details of dead letters.
_KEY, _RECORD_TIME = "the record's key", "the record's timestamp"


class Validator:
    """Validates the records of one stream.

    Args:
        stream: the declaration of the events.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
        sender: the job whose control records have an event time; None for no job.
    """

    def __init__(self, stream: Stream, *, max_clock_skew_seconds: int, sender: str | None = None) -> None:
        self._skew_ms, self._sender = max_clock_skew_seconds * 1000, sender
        self._binary: AvroRecords | ProtobufRecords | None = None
        if isinstance(stream.format, Avro):
            self._binary = AvroRecords(stream, stream.format)
        elif isinstance(stream.format, Protobuf):
            self._binary = ProtobufRecords(stream, stream.format)
        self._schemas = stream.format if isinstance(stream.format, JsonSchema) else None
        self._read = fields_reader(stream.fields)
        self._stream, self._time_path = stream, stream.event_time_path
        self._time, self._identity = stream.time_column, stream.identity_column
        self._adds_identity = stream.identity_column not in stream.fields
        self._time_name = _RECORD_TIME if self._time_path is None else str(stream.event_time)

    def __call__(
        self, key: bytes | None, value: bytes | None, timestamp_ms: int
    ) -> Accepted | Dead | Control | Ignored:
        """Returns the record as an event, a rejected, a control or an ignored record."""
        if value is None and self._stream.ignores_tombstones:
            return Ignored()
        if not value:
            return Dead(DeadLetterError.EMPTY_VALUE)
        latest = (timestamp_ms + self._skew_ms) * 1000
        try:
            # Control records are plain JSON in any stream.
            if key == CONTROL_KEY and CONTROL_FIELD in (control := _object(value)):
                return self._control(control, latest)
            fields = self._binary.fields(value) if self._binary else self._read(self._parsed(value))
            return self._event(fields, key, timestamp_ms * 1000, latest)
        except Refused as refused:
            return Dead(refused.error, refused.path or self._undeclared_prefix(value))

    def document(self, value: bytes) -> Mapping[str, Any] | None:
        """Returns a value's whole content, valid or not; None if it is unreadable."""
        try:
            document = self._binary.document(value) if self._binary else json.loads(self._text(value))
        except (ValueError, RecursionError, Refused):
            return None
        return document if isinstance(document, Mapping) else None

    def _text(self, value: bytes) -> bytes:
        """Returns a record's JSON text, without the declared prefix."""
        if self._schemas is None:
            return value
        schema_id = id_in(value)
        if schema_id is None:
            raise Refused(DeadLetterError.NOT_JSON)
        if schema_id not in self._schemas.schema_ids:
            raise Refused(DeadLetterError.UNKNOWN_SCHEMA, UNKNOWN_ID % schema_id)
        return value[PREFIX_BYTES:]

    def _undeclared_prefix(self, value: bytes) -> str:
        """Returns the description of a prefix that the stream does not declare.

        Empty if there is none.
        """
        declared = self._stream.format is not None and self._stream.format.is_registered
        schema_id = None if declared else id_in(value)
        return "" if schema_id is None else REGISTRY_PREFIX % schema_id

    def _parsed(self, value: bytes) -> dict[str, Any]:
        try:
            document = strict_json.parse(self._text(value).decode())
        except UnicodeDecodeError:
            raise Refused(DeadLetterError.NOT_UTF8) from None
        except ValueError:
            raise Refused(DeadLetterError.NOT_JSON) from None
        if type(document) is not dict:
            raise Refused(DeadLetterError.NOT_OBJECT)
        return document

    def _control(self, document: dict[str, Any], latest: int) -> Control | Dead:
        text = document.get(CONTROL_TIME_FIELD)
        time = micros(text) if type(text) is str else None
        if time is None:
            return Dead(DeadLetterError.BAD_TIME, CONTROL_TIME_FIELD)
        if time > latest:
            return Dead(DeadLetterError.FUTURE_TIME, CONTROL_TIME_FIELD)
        is_own = self._sender is not None and document[CONTROL_FIELD] == self._sender
        return Control(time if is_own else None)

    def _event(self, fields: Fields, key: bytes | None, arrived: int, latest: int) -> Accepted:
        """Returns an event with the columns that ``Stream`` adds; times are in microseconds."""
        if self._adds_identity:
            text = _text_of_key(key) if self._stream.needs_key else ""
            fields[self._identity] = identity_in(self._stream, fields, text)
        if self._time_path is None:
            if not FIRST_MICROS <= arrived <= LAST_MICROS:
                raise Refused(DeadLetterError.BAD_TIME, _RECORD_TIME)
            fields[self._time] = arrived
        elif len(self._time_path) > 1:
            fields[self._time] = at(fields, self._time_path)
        if fields[self._time] > latest:
            raise Refused(DeadLetterError.FUTURE_TIME, self._time_name)
        return Accepted(fields)


def _text_of_key(key: bytes | None) -> str:
    if not key:
        raise Refused(DeadLetterError.MISSING_FIELD if key is None else DeadLetterError.EMPTY_FIELD, _KEY)
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise Refused(DeadLetterError.NOT_UTF8, _KEY) from None


def _object(value: bytes) -> dict[str, Any]:
    try:
        document = strict_json.parse(value.decode())
    except ValueError:
        return {}
    return document if type(document) is dict else {}
