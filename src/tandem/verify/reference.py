"""Validates one record as the engine must, in plain Python and from the declaration alone.

``engine.read.parse`` with ``engine.read.reject`` is the other implementation. They share the declaration and nothing
else, and must agree for any bytes; a property test compares them. What is changed in one must be changed in the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, assert_never

from tandem.engine.declare.field_type import TIMESTAMP_PATTERN, FieldType
from tandem.engine.declare.stream import (
    CONTROL_FIELD,
    CONTROL_KEY,
    CONTROL_TIME_FIELD,
    REGISTRY_BYTES,
    REGISTRY_MAGIC,
    REGISTRY_PREFIX,
    DeadLetterError,
    Stream,
)
from tandem.verify import strict_json
from tandem.verify.avro_reference import AvroRecords, Refused

# An event's declared fields: a timestamp is in microseconds since 1970, UTC.
Fields = dict[str, str | int]


class Accepted(NamedTuple):
    """A record that was accepted."""

    fields: Fields


class Dead(NamedTuple):
    """A rejected record: the error code, and the field or the prefix, if any."""

    error: DeadLetterError
    detail: str = ""


class Control(NamedTuple):
    """A record that only advances the watermark, to this event time in microseconds."""

    time: int


_CONTROL_KEY = CONTROL_KEY.encode()
_TIMESTAMP = re.compile(TIMESTAMP_PATTERN)
_EPOCH = date(1970, 1, 1).toordinal()
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class Validator:
    """Validates the records of one stream.

    Args:
        stream: what an event must look like.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
    """

    def __init__(self, stream: Stream, *, max_clock_skew_seconds: int) -> None:
        self._fields = tuple((name, _reader(kind)) for name, kind in stream.fields.items())
        self._event_time = stream.event_time
        self._skew_ms = max_clock_skew_seconds * 1000
        self._avro = AvroRecords(stream, stream.format) if stream.format else None

    def __call__(self, key: bytes | None, value: bytes | None, timestamp_ms: int) -> Accepted | Dead | Control:
        """Returns the record as an event, a rejected or a control record."""
        if not value:
            return Dead(DeadLetterError.EMPTY_VALUE)
        if self._avro is not None:
            return self._of_avro(self._avro, key, value, (timestamp_ms + self._skew_ms) * 1000)
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return Dead(DeadLetterError.NOT_UTF8, _prefix(value))
        try:
            document = strict_json.parse(text)
        except ValueError:
            return Dead(DeadLetterError.NOT_JSON, _prefix(value))
        if type(document) is not dict:
            return Dead(DeadLetterError.NOT_OBJECT)
        latest = (timestamp_ms + self._skew_ms) * 1000
        if key == _CONTROL_KEY and CONTROL_FIELD in document:
            return _control(document, latest)
        return self._event(document, latest)

    def document(self, value: bytes) -> Mapping[str, Any] | None:
        """Returns a value's whole content, acceptable or not; None if it is no record."""
        try:
            document = self._avro.document(value) if self._avro else json.loads(value)
        except (ValueError, RecursionError, Refused):
            return None
        return document if isinstance(document, Mapping) else None

    def _of_avro(self, avro: AvroRecords, key: bytes | None, value: bytes, latest: int) -> Accepted | Dead | Control:
        # Control records are JSON in any stream.
        if key == _CONTROL_KEY and CONTROL_FIELD in (document := _object(value)):
            return _control(document, latest)
        try:
            fields: Fields = avro.fields(value)
        except Refused as refused:
            return Dead(refused.error, refused.detail or _prefix(value))
        return self._timely(fields, latest)

    def _event(self, document: dict[str, Any], latest: int) -> Accepted | Dead:
        fields: Fields = {}
        for name, read in self._fields:
            value = document.get(name)
            if value is None:
                return Dead(DeadLetterError.NULL_FIELD if name in document else DeadLetterError.MISSING_FIELD, name)
            result = read(value)
            if type(result) is DeadLetterError:
                return Dead(result, name)
            fields[name] = result
        return self._timely(fields, latest)

    def _timely(self, fields: Fields, latest: int) -> Accepted | Dead:
        if int(fields[self._event_time]) > latest:
            return Dead(DeadLetterError.FUTURE_TIME, self._event_time)
        return Accepted(fields)


def _reader(kind: FieldType) -> Callable[[Any], str | int | DeadLetterError]:
    """Returns the function from a field's JSON value to its typed value, or to an error."""
    match kind:
        case FieldType.STRING:
            return _string
        case FieldType.INTEGER:
            return _integer
        case FieldType.TIMESTAMP:
            return _timestamp
        case _:
            assert_never(kind)


def _string(value: Any) -> str | DeadLetterError:
    if type(value) is not str:
        return DeadLetterError.WRONG_TYPE
    return value or DeadLetterError.EMPTY_FIELD


def _integer(value: Any) -> int | DeadLetterError:
    return value if type(value) is int and _SMALLEST <= value <= _LARGEST else DeadLetterError.WRONG_TYPE


def _timestamp(value: Any) -> int | DeadLetterError:
    if type(value) is not str:
        return DeadLetterError.WRONG_TYPE
    time = micros(value)
    return DeadLetterError.BAD_TIME if time is None else time


def _prefix(value: bytes) -> str:
    """Returns the content of a schema registry's prefix; empty if the value has none."""
    if len(value) < REGISTRY_BYTES or not value.startswith(REGISTRY_MAGIC):
        return ""
    return REGISTRY_PREFIX % int.from_bytes(value[len(REGISTRY_MAGIC) : REGISTRY_BYTES], "big")


def _object(value: bytes) -> dict[str, Any]:
    try:
        document = strict_json.parse(value.decode())
    except ValueError:
        return {}
    return document if type(document) is dict else {}


def _control(document: dict[str, Any], latest: int) -> Control | Dead:
    text = document.get(CONTROL_TIME_FIELD)
    time = micros(text) if type(text) is str else None
    if time is None:
        return Dead(DeadLetterError.BAD_TIME, CONTROL_TIME_FIELD)
    if time > latest:
        return Dead(DeadLetterError.FUTURE_TIME, CONTROL_TIME_FIELD)
    return Control(time)


def micros(text: str) -> int | None:
    """Returns a timestamp in microseconds since 1970, UTC; None if it is not a valid time.

    Integers all the way: with an offset the time may lie before year 1 or after 9999, where ``datetime`` ends.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, zone = match[1], match[2], match[3]
    if zone and not seconds:  # the engine's cast takes an offset only behind seconds
        return None
    minute = _minute(text[:16])
    second = int(seconds[1:3]) if seconds else 0
    if minute is None or second > 59:
        return None
    total = minute * 60 + second
    if zone and zone != "Z":
        total -= _offset(zone)
    return total * 1_000_000 + (int(fraction[1:].ljust(6, "0")) if fraction else 0)


@lru_cache(maxsize=4096)
def _minute(text: str) -> int | None:
    """Returns ``YYYY-MM-DD?HH:MM`` as minutes since 1970; cached, as events of a minute arrive together."""
    hour, minute = int(text[11:13]), int(text[14:16])
    if hour > 23 or minute > 59:
        return None
    try:
        day = date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return None
    return ((day.toordinal() - _EPOCH) * 24 + hour) * 60 + minute


def _offset(zone: str) -> int:
    digits = zone[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds
