"""Validates one Avro record, independently of ``engine.read.avro_format``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import fastavro

from tandem.engine.declare.avro_schema import MICROS, Avro
from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.kind import FIRST_MICROS, LAST_MICROS, Kind, String, Timestamp
from tandem.engine.declare.stream import DeadLetterError, Stream
from tandem.engine.declare.wire_format import UNKNOWN_ID, id_in
from tandem.producer.avro_encoder import header_of
from tandem.verify.field_values import Refused
from tandem.verify.strict_avro import decoder


class _Step(NamedTuple):
    """Takes one declared field from the records of one schema."""

    name: str
    kind: Kind
    refused: DeadLetterError | None = None
    taken: str | None = None
    default: Any = None
    micros: int = 1


class AvroRecords:
    """Reads the records of one stream.

    Args:
        stream: the declaration of the events.
        avro: the stream's schemas.
    """

    def __init__(self, stream: Stream, avro: Avro) -> None:
        newest = _by_name(avro.newest)
        self._header = avro.header
        self._known: dict[bytes, tuple[Callable[[bytes], Any], list[_Step]]] = {}
        for version in avro.versions:
            parsed, written = fastavro.parse_schema(version.schema), _by_name(version)
            steps = [_step(name, kind, written, newest[name]) for name, kind in stream.fields.items()]
            self._known[header_of(version)] = decoder(parsed), steps

    def fields(self, value: bytes) -> dict[str, Any]:
        """Returns the declared fields of a record, a timestamp in microseconds.

        Raises:
            Refused: it cannot be accepted.
        """
        document, steps = self._read(value)
        return {step.name: _taken(step, document) for step in steps}

    def document(self, value: bytes) -> Mapping[str, Any]:
        """Returns a record's content, with texts if they are UTF-8.

        Raises Refused if it is unreadable.
        """
        document, _ = self._read(value)
        return {
            name: each.decode(errors="replace") if isinstance(each, bytes) else each for name, each in document.items()
        }

    def _read(self, value: bytes) -> tuple[dict[str, Any], list[_Step]]:
        length = self._header.length
        if len(value) < length or not value.startswith(self._header.mark):
            raise Refused(DeadLetterError.NOT_AVRO)
        known = self._known.get(value[:length])
        if known is None:
            schema_id = id_in(value)
            raise Refused(DeadLetterError.UNKNOWN_SCHEMA, "" if schema_id is None else UNKNOWN_ID % schema_id)
        decode, steps = known
        try:
            return decode(value[length:]), steps
        except ValueError:
            raise Refused(DeadLetterError.NOT_AVRO) from None


def _by_name(version: Version) -> dict[str, Mapping[str, Any]]:
    return {each["name"]: each for each in version.schema["fields"]}


def _step(name: str, kind: Kind, written: Mapping[str, Mapping[str, Any]], newest: Mapping[str, Any]) -> _Step:
    for candidate in (name, *newest.get("aliases", [])):
        if candidate in written:
            micros = _unit(written[candidate]["type"], kind)
            if micros is None:
                return _Step(name, kind, refused=DeadLetterError.WRONG_TYPE)
            return _Step(name, kind, taken=candidate, micros=micros)
    if "default" in newest:
        return _Step(name, kind, default=newest["default"], micros=_unit(newest["type"], kind) or 1)
    return _Step(name, kind, refused=DeadLetterError.MISSING_FIELD)


def _unit(avro_type: Any, kind: Kind) -> int | None:
    """Returns the microseconds in a type's unit.

    It is 1 for a type that is not a time, and None for a wrong type.
    """
    branches = avro_type if isinstance(avro_type, list) else [avro_type]
    if isinstance(avro_type, list) and "null" in avro_type:
        branches = [each for each in avro_type if each != "null"]
    if len(branches) != 1 or (isinstance(avro_type, list) and len(avro_type) != 2):
        return None
    only = branches[0]
    base, logical = (only.get("type"), str(only.get("logicalType"))) if isinstance(only, dict) else (only, "")
    is_time = base == "long" and logical in MICROS
    match kind:
        case String():
            return 1 if base == "string" else None
        case Timestamp():
            return MICROS[logical] if is_time else None
        case _:
            return 1 if base in ("int", "long") and not is_time else None


def _taken(step: _Step, document: Mapping[str, Any]) -> str | int:
    if step.refused is not None:
        raise Refused(step.refused, step.name)
    value = step.default if step.taken is None else document[step.taken]
    if value is None:
        raise Refused(DeadLetterError.NULL_FIELD, step.name)
    found: str | int = value
    match step.kind:
        case String():
            return _text(value, step.name)
        case Timestamp():
            return _time(value * step.micros, step.name)
        case _:
            return found


def _time(micros: int, name: str) -> int:
    if not FIRST_MICROS <= micros <= LAST_MICROS:
        raise Refused(DeadLetterError.BAD_TIME, name)
    return micros


def _text(value: bytes | str, name: str) -> str:
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise Refused(DeadLetterError.NOT_UTF8, name) from None
    if not text:
        raise Refused(DeadLetterError.EMPTY_FIELD, name)
    return text
