"""Creates edge cases: unusual records that must be accepted, and malformed ones that must not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.stream import Stream

Fields = Mapping[str, Any]

# Endings of ids that could break a document's _id, a JSON text or a field path.
ODD_ENDINGS = ("|", "\\", "a|b\\c", '"quoted"', "'", "é✓", "漢字|\\", "$set", "a.b", " ", "\n", "x" * 300)
ODD_AMOUNTS = (0, -1, 2**63 - 1, -(2**63))

# Made once: a generator does little else.
_ENCODER = json.JSONEncoder(ensure_ascii=False)
# One malformed record in so many is very large.
_HUGE_EVERY = 256
_HUGE_BYTES = 1_000_000
# Deeper than the engine reads, and always after the clock, whenever a plan starts.
_TOO_DEEP = 1_100
_FAR_FUTURE = "2999-01-01T00:00:00Z"


def dump(fields: Fields) -> bytes:
    """Returns the fields as JSON in UTF-8."""
    return _ENCODER.encode(fields).encode()


def unusual(fields: Fields, stream: Stream, choice: float) -> bytes:
    """Returns the same event in an unusual but valid form.

    Args:
        fields: a valid event, its times ending in ``Z``.
        stream: what the event belongs to.
        choice: which form, in [0, 1).
    """
    return _UNUSUAL[int(choice * len(_UNUSUAL))](fields, stream)


def malformed(fields: Fields, stream: Stream, choice: float) -> tuple[str, bytes | None]:
    """Returns a kind and a value that must become a dead letter.

    Args:
        fields: a valid event of its own, which gets changed.
        stream: what the event would belong to.
        choice: which kind, in [0, 1).
    """
    place = choice * _HUGE_EVERY
    if place >= _HUGE_EVERY - 1:
        return "huge", b"x" * _HUGE_BYTES
    kinds = _KINDS if FieldType.INTEGER in stream.fields.values() else _KINDS_WITHOUT_INTEGER
    kind = kinds[int(place / (_HUGE_EVERY - 1) * len(kinds))]
    return kind, MALFORMED[kind](fields, stream)


def _time(change: Callable[[datetime], str]) -> Callable[[Fields, Stream], bytes]:
    def form(fields: Fields, stream: Stream) -> bytes:
        return dump({**fields, stream.event_time: change(datetime.fromisoformat(fields[stream.event_time]))})

    return form


_INDIA = timezone(timedelta(hours=5, minutes=30))
_UNUSUAL: tuple[Callable[[Fields, Stream], bytes], ...] = (
    lambda fields, _: dump({**fields, "channel": "web", "tags": ["a", {"b": None}], "": 1.5}),
    lambda fields, _: json.dumps(fields, indent=2).encode() + b"\n",
    lambda fields, _: dump({name: fields[name] for name in sorted(fields, reverse=True)}),
    _time(lambda time: time.astimezone(_INDIA).isoformat()),
    _time(lambda time: time.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")),
    _time(lambda time: (time + timedelta(microseconds=456)).isoformat(timespec="microseconds")),
)


def _with(kind: FieldType | None, value: Any) -> Callable[[Fields, Stream], bytes]:
    """Returns a spoiler that sets the first field of a type, or the identity, to a value."""

    def spoil(fields: Fields, stream: Stream) -> bytes:
        return dump({**fields, _name(stream, kind): value})

    return spoil


def _without(kind: FieldType | None) -> Callable[[Fields, Stream], bytes]:
    def spoil(fields: Fields, stream: Stream) -> bytes:
        return dump({name: value for name, value in fields.items() if name != _name(stream, kind)})

    return spoil


def _name(stream: Stream, kind: FieldType | None) -> str:
    if kind is FieldType.TIMESTAMP:
        return stream.event_time
    return stream.identity if kind is None else next(name for name, each in stream.fields.items() if each is kind)


def _extra(value: bytes) -> Callable[[Fields, Stream], bytes]:
    return lambda fields, _: b'{"extra": ' + value + b", " + dump(fields)[1:]


MALFORMED: Mapping[str, Callable[[Fields, Stream], bytes | None]] = {
    "null_value": lambda *_: None,
    "empty": lambda *_: b"",
    "blank": lambda *_: b"   ",
    "invalid_utf8": lambda fields, _: dump(fields).replace(b': "', b': "\xff', 1),
    "truncated": lambda fields, _: dump(fields)[:-5],
    "trailing_garbage": lambda fields, _: dump(fields) + b" garbage",
    "two_objects": lambda fields, _: dump(fields) * 2,
    "duplicate_key": lambda fields, stream: dump(fields)[:-1] + f', "{stream.identity}": "other"}}'.encode(),
    "deep_nesting": _extra(b"[" * _TOO_DEEP + b"]" * _TOO_DEEP),
    "lone_surrogate": _extra(rb'"\ud800"'),
    "array": lambda fields, _: b"[" + dump(fields) + b"]",
    "json_null": lambda *_: b"null",
    "json_text": lambda *_: b'"text"',
    "missing_id": _without(None),
    "null_id": _with(None, None),
    "empty_id": _with(None, ""),
    "number_id": _with(None, 5),
    "object_id": _with(None, {"$oid": "5"}),
    "missing_amount": _without(FieldType.INTEGER),
    "null_amount": _with(FieldType.INTEGER, None),
    "text_amount": _with(FieldType.INTEGER, "5"),
    "decimal_amount": _with(FieldType.INTEGER, 5.0),
    "true_amount": _with(FieldType.INTEGER, True),
    "big_amount": _with(FieldType.INTEGER, 2**63),
    "nan_amount": _with(FieldType.INTEGER, float("nan")),
    "missing_time": _without(FieldType.TIMESTAMP),
    "null_time": _with(FieldType.TIMESTAMP, None),
    "number_time": _with(FieldType.TIMESTAMP, 1_795_386_447_000),
    "text_time": _with(FieldType.TIMESTAMP, "yesterday"),
    "date_only": _with(FieldType.TIMESTAMP, "2026-11-22"),
    "impossible_time": _with(FieldType.TIMESTAMP, "2026-02-30T12:00:00Z"),
    "far_future": _with(FieldType.TIMESTAMP, _FAR_FUTURE),
}
_KINDS = tuple(MALFORMED)
_KINDS_WITHOUT_INTEGER = tuple(kind for kind in _KINDS if not kind.endswith("_amount"))
