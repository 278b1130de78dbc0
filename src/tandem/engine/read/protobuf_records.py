"""Reads a stream's Protobuf records, in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tandem.engine.declare.kind import Kind
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import DeadLetterError
from tandem.engine.declare.wire_format import UNKNOWN_ID, id_in, not_frozen
from tandem.engine.read.protobuf_scalars import Rejected
from tandem.engine.read.protobuf_shape import shape_of
from tandem.engine.read.protobuf_values import record_reader
from tandem.engine.read.protobuf_wire import Content, MalformedError, decoder


class ReadRecord(NamedTuple):
    """What a record is.

    Attributes:
        fields: the declared fields of a valid record, in their order.
        error: why it is rejected.
        detail: the path and the reason.
        field: the declared field that has the error; None if it is the whole record.
    """

    fields: tuple[Any, ...] | None = None
    error: str | None = None
    detail: str | None = None
    field: str | None = None


class _Version(NamedTuple):
    """How the records of one schema are read."""

    headers: tuple[bytes, ...]
    decode: Callable[[bytes, int], Content]
    readers: list[tuple[str, Callable[[Content], tuple[Any, ...]]]]


class ProtobufRecords:
    """Reads the records of a stream.

    Args:
        fields: the stream's fields.
        protobuf: its schemas.
    """

    def __init__(self, fields: Mapping[str, Kind], protobuf: Protobuf) -> None:
        self._made_of = dict(fields), protobuf
        self._other, self._unknown = f"the value is not {protobuf.message}", not_frozen(protobuf.subject)
        self._versions: dict[int, _Version] = {}
        for version in protobuf.versions:
            sources = protobuf.sources(version, fields)
            readers = [(name, record_reader({name: source})) for name, source in sources.items()]
            self._versions[version.schema_id] = _Version(version.headers, decoder(shape_of(sources)), readers)

    def __reduce__(self) -> tuple[Any, ...]:
        # Functions cannot be sent to the executors, so each of them makes its own.
        return ProtobufRecords, self._made_of

    def __call__(self, value: bytes | None) -> ReadRecord:
        """Returns what a record is, given its value."""
        schema_id = id_in(value or b"")
        if value is None or schema_id is None:
            return _rejected("the value has no prefix of Confluent's wire format")
        version = self._versions.get(schema_id)
        if version is None:
            return _rejected(UNKNOWN_ID % schema_id + self._unknown, DeadLetterError.UNKNOWN_SCHEMA)
        header = next((each for each in version.headers if value.startswith(each)), None)
        if header is None:
            return _rejected(self._other)
        try:
            content = version.decode(value, len(header))
        except MalformedError:
            return _rejected("the value is not one message of its schema")
        found: list[Any] = []
        for name, read in version.readers:
            try:
                found += read(content)
            except Rejected as rejected:
                return ReadRecord(None, rejected.error.value, rejected.detail, name)
        return ReadRecord(tuple(found))


def _rejected(detail: str, error: DeadLetterError = DeadLetterError.NOT_PROTOBUF) -> ReadRecord:
    return ReadRecord(None, error.value, detail)
