"""Sample records in Avro, valid and malformed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, fingerprint, to_parsing_canonical_form

from tandem.engine.declare.avro_schema import SINGLE_OBJECT, Avro
from tandem.engine.declare.avro_source import AvroSource, problems
from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.kind import String
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.wire_format import prefix_of
from tandem.errors import UsageError
from tandem.producer.avro_fields import record_of

Fields = Mapping[str, Any]

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
    return SINGLE_OBJECT.mark + bytes.fromhex(fingerprint(to_parsing_canonical_form(version.canonical), "CRC-64-AVRO"))


class AvroEncoder:
    """Writes records by one schema.

    Args:
        version: the schema.

    Raises:
        UsageError: the schema has a default that is not of its field's type.
    """

    def __init__(self, version: Version) -> None:
        try:
            self._schema, self._header = fastavro.parse_schema(version.schema), header_of(version)
        except SchemaParseException as error:
            hint = "correct the schema; only records that others have sent can be read by it"
            raise UsageError(f"{version.place}: {error}", hint=hint) from None
        _encode_defaults(self._schema, set())

    def __call__(self, record: Fields) -> bytes:
        """Returns a record's value; a field that it lacks gets its default."""
        payload = io.BytesIO()
        fastavro.schemaless_writer(payload, self._schema, dict(record))
        return self._header + payload.getvalue()


def _encode_defaults(schema: Any, fixed: set[str]) -> None:
    """Converts defaults of bytes, which JSON has as strings, in a parsed schema.

    Args:
        schema: the schema, or a part of it.
        fixed: the names of its types with a fixed number of bytes, which are added.
    """
    if isinstance(schema, list):
        for each in schema:
            _encode_defaults(each, fixed)
    elif isinstance(schema, dict):
        fixed |= {schema["name"]} if schema["type"] == "fixed" else set()
        for field in schema.get("fields", ()):
            _encode_defaults(field["type"], fixed)
            first = field["type"][0] if isinstance(field["type"], list) else field["type"]
            name = first.get("name", first["type"]) if isinstance(first, dict) else first
            if isinstance(field.get("default"), str) and (name == "bytes" or name in fixed):
                field["default"] = field["default"].encode("latin-1")
        for part in (schema.get("items"), schema.get("values")):
            _encode_defaults(part, fixed)


class AvroRecordEncoder:
    """See ``record_encoder.RecordEncoder``; unusual are records of an older schema.

    Args:
        stream: the records' stream.
        avro: its schemas.
    """

    def __init__(self, stream: Stream, avro: Avro) -> None:
        self.header = avro.header
        self._encoders: list[tuple[Mapping[str, AvroSource], AvroEncoder]] = []
        for version in avro.versions:
            sources = avro.sources(version, stream.fields)
            if not any(problems(sources)):
                self._encoders.append((sources, AvroEncoder(version)))
        name = next(iter(stream.identity_paths or ()), ("",))[0]
        kind, time = stream.fields.get(name), stream.event_time_path or ()
        # The first field of the identity if it is a text that may not be empty, and the event time if it is a field.
        self.identity = name if isinstance(kind, String) and not kind.may_be_empty else ""
        self.event_time = time[0] if len(time) == 1 else ""
        needed = {**dict.fromkeys(_ABOUT_IDENTITY, self.identity), **dict.fromkeys(_ABOUT_TIME, self.event_time)}
        self._kinds = [kind for kind in MALFORMED if needed.get(kind, True)]

    def plain(self, fields: Fields) -> bytes:
        """See ``RecordEncoder.plain``."""
        return self._written(fields, len(self._encoders) - 1)

    def unusual(self, fields: Fields, choice: float) -> bytes:
        """See ``RecordEncoder.unusual``."""
        try:
            return self._written(fields, int(choice * len(self._encoders)))
        except ValueError:
            # An older schema does not have all values, such as a new symbol of an enum.
            return self.plain(fields)

    def malformed(self, fields: Fields, choice: float) -> tuple[str, bytes | None]:
        """See ``RecordEncoder.malformed``."""
        kind = self._kinds[int(choice * len(self._kinds))]
        return kind, MALFORMED[kind](self, fields)

    def spoiled(self, fields: Fields, **changes: Any) -> bytes:
        """Returns the encoded event with changed values; times are in the schema's unit."""
        return self._written(fields, len(self._encoders) - 1, **changes)

    def _written(self, fields: Fields, which: int, **changes: Any) -> bytes:
        sources, encode = self._encoders[which]
        return encode({**record_of(sources, fields), **changes})


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
    "json": lambda _, fields: json.dumps(dict(fields), default=str).encode(),
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
