"""Sample records in Protobuf, valid and malformed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from tandem.engine.declare.kind import String, Timestamp, TimeUnit
from tandem.engine.declare.protobuf_resolution import ProtobufSource, problems
from tandem.engine.declare.protobuf_schema import Protobuf, ProtobufVersion, headers_of
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.wire_format import PREFIX_BYTES
from tandem.producer.protobuf_fields import fill

Fields = Mapping[str, Any]

_HUGE_BYTES = 1_000_000
_FAR_FUTURE_MS = 32_472_144_000_000  # in the year 2999
# Not a valid time in any unit, and not a valid part of a second.
_NO_TIME, _NO_NANOS = 2**62, -1
# A message that no file has, and the beginning of a group with the number 15.
_NOWHERE, _GROUP = (1_000_000,), b"\x7b"
# The length of a text of two gigabytes, in a field with the number 15.
_ENDLESS = b"\x7a\xff\xff\xff\xff\x07"
_LONG = ("int64", "sint64", "sfixed64", "uint64", "fixed64")


def message_class(version: ProtobufVersion, name: str) -> Any:
    """Returns the class of a message in Protobuf's own library.

    Args:
        version: the schema.
        name: the full name of the message.
    """
    pool = descriptor_pool.DescriptorPool()
    for file in json_format.Parse(version.text, descriptor_pb2.FileDescriptorSet()).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


class ProtobufEncoder:
    """Writes records by one schema.

    Args:
        protobuf: the schemas.
        version: the one to write.
        sources: the places of the declared fields in it.
    """

    def __init__(self, protobuf: Protobuf, version: ProtobufVersion, sources: Mapping[str, ProtobufSource]) -> None:
        self._class, self._sources = message_class(version, protobuf.message), sources
        self.header = version.headers[0]

    def __call__(self, fields: Fields, change: Callable[[Any], None] | None = None) -> bytes:
        """Returns a record's value.

        Args:
            fields: the declared fields; those that the schema does not have are left out.
            change: changes the message before it is written.

        Raises:
            ValueError: the schema does not have one of the values.
        """
        message = self._class()
        fill(message, self._sources, fields)
        if change is not None:
            change(message)
        return self.header + bytes(message.SerializeToString(deterministic=True))


class ProtobufRecordEncoder:
    """See ``record_encoder.RecordEncoder``; unusual are records of an older schema.

    Args:
        stream: the records' stream.
        protobuf: its schemas.
    """

    def __init__(self, stream: Stream, protobuf: Protobuf) -> None:
        self._encoders: list[ProtobufEncoder] = []
        for version in protobuf.versions:
            sources = protobuf.sources(version, stream.fields)
            if version.headers and not any(problems(sources)):
                self._encoders.append(ProtobufEncoder(protobuf, version, sources))
        name = next(iter(stream.identity_paths or ()), ("",))[0]
        kind, time = stream.fields.get(name), stream.event_time_path or ()
        # The first field of the identity if it is a text that may not be empty.
        self.identity = name if isinstance(kind, String) and not kind.may_be_empty else ""
        # The event time if it is a field that can have any time.
        found = sources[time[0]].field if len(time) == 1 else None
        unit = stream.fields[time[0]] if len(time) == 1 else None
        self.is_epoch = isinstance(unit, Timestamp) and unit.unit is not TimeUnit.ISO_8601
        self.event_time = time[0] if found is not None and (not self.is_epoch or found.type in _LONG) else ""
        needed = {**dict.fromkeys(_ABOUT_IDENTITY, self.identity), **dict.fromkeys(_ABOUT_TIME, self.event_time)}
        self._kinds = [kind for kind in MALFORMED if needed.get(kind, True)]

    def plain(self, fields: Fields) -> bytes:
        """See ``RecordEncoder.plain``."""
        return self._encoders[-1](fields)

    def unusual(self, fields: Fields, choice: float) -> bytes:
        """See ``RecordEncoder.unusual``."""
        try:
            return self._encoders[int(choice * len(self._encoders))](fields)
        except ValueError:
            # An older schema does not have all values, such as a new symbol of an enum.
            return self.plain(fields)

    def malformed(self, fields: Fields, choice: float) -> tuple[str, bytes | None]:
        """See ``RecordEncoder.malformed``."""
        kind = self._kinds[int(choice * len(self._kinds))]
        return kind, MALFORMED[kind](self, fields)

    def framed(self, message: bytes) -> bytes:
        """Returns a message with the header of the newest schema."""
        return self._encoders[-1].header + message

    def bare(self, fields: Fields) -> bytes:
        """Returns an event's message without its header."""
        return self.plain(fields)[len(self._encoders[-1].header) :]

    def without_time(self, fields: Fields) -> bytes:
        """Returns an event whose time is not valid."""

        def spoil(message: Any) -> None:
            if self.is_epoch:
                setattr(message, self.event_time, _NO_TIME)
            else:
                getattr(message, self.event_time).nanos = _NO_NANOS

        return self._encoders[-1](fields, spoil)


def _invalid_utf8(values: ProtobufRecordEncoder, fields: Fields) -> bytes:
    identity = str(fields[values.identity]).encode()
    return values.plain(fields).replace(identity, b"\xff" + identity[1:], 1)


def _unknown(values: ProtobufRecordEncoder, fields: Fields) -> bytes:
    # No registry has a negative id.
    return b"\x00\xff" + values.plain(fields)[2:]


def _other_message(values: ProtobufRecordEncoder, fields: Fields) -> bytes:
    return values.plain(fields)[:PREFIX_BYTES] + headers_of(_NOWHERE)[0] + values.bare(fields)


MALFORMED: Mapping[str, Callable[[ProtobufRecordEncoder, Fields], bytes | None]] = {
    "null_value": lambda *_: None,
    "empty": lambda *_: b"",
    "blank": lambda *_: b"   ",
    "huge": lambda *_: b"x" * _HUGE_BYTES,
    "json": lambda _, fields: json.dumps(dict(fields), default=str).encode(),
    "no_header": lambda values, fields: values.bare(fields),
    "unknown_schema": _unknown,
    "other_message": _other_message,
    "prefix_alone": lambda values, fields: values.plain(fields)[:PREFIX_BYTES],
    "truncated": lambda values, fields: values.plain(fields)[:-1],
    "trailing_garbage": lambda values, fields: values.plain(fields) + b"\x00",
    "group": lambda values, fields: values.plain(fields) + _GROUP,
    "endless_text": lambda values, fields: values.plain(fields) + _ENDLESS,
    "invalid_utf8": _invalid_utf8,
    "no_fields": lambda values, _: values.framed(b""),
    "empty_id": lambda values, fields: values.plain({**fields, values.identity: ""}),
    "no_time": lambda values, fields: values.without_time(fields),
    "far_future": lambda values, fields: values.plain({**fields, values.event_time: _FAR_FUTURE_MS}),
}
_ABOUT_IDENTITY, _ABOUT_TIME = ("invalid_utf8", "no_fields", "empty_id"), ("no_time", "far_future")
