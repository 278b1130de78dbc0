"""Sample records in Avro, valid and malformed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from tandem.engine.declare.avro_schema import SINGLE_OBJECT, Avro, Source
from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.kind import String, Timestamp
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.wire_format import prefix_of

Fields = Mapping[str, Any]
# The position of each declared field in the records of one schema.
_Sources = Mapping[str, Source]

_HUGE_BYTES = 1_000_000
_FAR_FUTURE_MS = 32_472_144_000_000  # in the year 2999
# Not a valid time in any unit.
_NO_TIME = 2**63 - 1
# The length of a text of two gigabytes, and a negative length.
_ENDLESS, _NEGATIVE = b"\xfe\xff\xff\xff\x0f", b"\x0d"


def header_of(version: Version) -> bytes:
    """Returns the first bytes of the values written by a schema."""
    if version.schema_id is not None:
        return prefix_of(version.schema_id)
    return SINGLE_OBJECT.mark + bytes.fromhex(fingerprint(to_parsing_canonical_form(version.schema), "CRC-64-AVRO"))


class AvroEncoder:
    """Writes records by one schema.

    Args:
        version: the schema.
    """

    def __init__(self, version: Version) -> None:
        self._schema, self._header = fastavro.parse_schema(version.schema), header_of(version)

    def __call__(self, record: Fields) -> bytes:
        """Returns a record's value; a field that it lacks gets its default."""
        payload = io.BytesIO()
        fastavro.schemaless_writer(payload, self._schema, dict(record))
        return self._header + payload.getvalue()


class AvroRecordEncoder:
    """See ``record_encoder.RecordEncoder``; unusual are records of an older schema.

    Args:
        stream: the records' stream.
        avro: its schemas.
    """

    def __init__(self, stream: Stream, avro: Avro) -> None:
        self.header = avro.header
        self._encoders: list[tuple[_Sources, AvroEncoder]] = []
        for version in avro.versions:
            sources = {name: avro.source(version, name, kind) for name, kind in stream.fields.items()}
            usable = {name: source for name, source in sources.items() if source}
            if len(usable) == len(sources):
                self._encoders.append((usable, AvroEncoder(version)))
        path = next(iter(stream.identity_paths or ()), ("",))
        # The first field of the identity, and the event time; empty if it is not a text, or not a field.
        self.identity = path[0] if isinstance(stream.fields.get(path[0]), String) else ""
        self.event_time = "".join(stream.event_time_path or ())
        needed = {**dict.fromkeys(_ABOUT_IDENTITY, self.identity), **dict.fromkeys(_ABOUT_TIME, self.event_time)}
        self._kinds = [kind for kind in MALFORMED if needed.get(kind, True)]
        self._times = {name for name, kind in stream.fields.items() if isinstance(kind, Timestamp)}

    def plain(self, fields: Fields) -> bytes:
        """See ``RecordEncoder.plain``."""
        return self._written(fields, len(self._encoders) - 1)

    def unusual(self, fields: Fields, choice: float) -> bytes:
        """See ``RecordEncoder.unusual``."""
        return self._written(fields, int(choice * len(self._encoders)))

    def malformed(self, fields: Fields, choice: float) -> tuple[str, bytes | None]:
        """See ``RecordEncoder.malformed``."""
        kind = self._kinds[int(choice * len(self._kinds))]
        return kind, MALFORMED[kind](self, fields)

    def spoiled(self, fields: Fields, **changes: Any) -> bytes:
        """Returns the encoded event with changed values; times are in the schema's unit."""
        return self._written(fields, len(self._encoders) - 1, **changes)

    def _written(self, fields: Fields, which: int, **changes: Any) -> bytes:
        sources, encode = self._encoders[which]
        record = {}
        for name, value in fields.items():
            source = sources.get(name)
            if source is None:
                record[name] = value
            elif source.name is not None:
                record[source.name] = value * 1000 // source.micros if name in self._times else value
        return encode({**record, **changes})


def _invalid_utf8(values: AvroRecordEncoder, fields: Fields) -> bytes:
    identity = str(fields[values.identity]).encode()
    return values.plain(fields).replace(identity, b"\xff" + identity[1:], 1)


def _unknown(values: AvroRecordEncoder, fields: Fields) -> bytes:
    value, at = values.plain(fields), values.header.mark
    # Another fingerprint, or a negative id, which no registry has.
    return at + bytes((value[len(at)] ^ 0x80,)) + value[len(at) + 1 :]


def _future(values: AvroRecordEncoder, fields: Fields) -> bytes:
    return values.plain({**fields, values.event_time: _FAR_FUTURE_MS})


MALFORMED: Mapping[str, Callable[[AvroRecordEncoder, Fields], bytes | None]] = {
    "null_value": lambda *_: None,
    "empty": lambda *_: b"",
    "blank": lambda *_: b"   ",
    "huge": lambda *_: b"x" * _HUGE_BYTES,
    "json": lambda _, fields: json.dumps(dict(fields)).encode(),
    "no_header": lambda values, fields: values.plain(fields)[values.header.length :],
    "unknown_schema": _unknown,
    "header_alone": lambda values, fields: values.plain(fields)[: values.header.length],
    "truncated": lambda values, fields: values.plain(fields)[:-1],
    "trailing_garbage": lambda values, fields: values.plain(fields) + b"\x00",
    "two_records": lambda values, fields: values.plain(fields) + values.plain(fields)[values.header.length :],
    "endless_text": lambda values, fields: values.plain(fields)[: values.header.length] + _ENDLESS,
    "negative_text": lambda values, fields: values.plain(fields)[: values.header.length] + _NEGATIVE,
    "invalid_utf8": _invalid_utf8,
    "empty_id": lambda values, fields: values.spoiled(fields, **{values.identity: ""}),
    "no_time": lambda values, fields: values.spoiled(fields, **{values.event_time: _NO_TIME}),
    "far_future": _future,
}
_ABOUT_IDENTITY, _ABOUT_TIME = ("invalid_utf8", "empty_id"), ("no_time", "far_future")
