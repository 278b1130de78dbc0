"""Creates edge cases: unusual records to accept, and malformed records to reject."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from tandem.engine.declare.field_name import Path
from tandem.engine.declare.kind import Array, Integer, Kind, Map, Record, String, TimeUnit
from tandem.engine.declare.stream import Stream
from tandem.producer.document_id import at, replaced

Fields = Mapping[str, Any]

# Endings of ids that could break a document's _id, a JSON text or a field path.
ODD_ENDINGS = ("|", "\\", "a|b\\c", '"quoted"', "'", "é✓", "漢字|\\", "$set", "a.b", " ", "\n", "x" * 300)
ODD_AMOUNTS = (0, -1, 2**63 - 1, -(2**63))

# Created once, because a generator spends most of its time encoding.
_ENCODER = json.JSONEncoder(ensure_ascii=False)
# One of this many malformed records is very large.
_HUGE_EVERY = 256
_HUGE_BYTES = 1_000_000
# Nested deeper than the engine reads.
_TOO_DEEP = 1_100
_FAR_FUTURE = "2999-01-01T00:00:00Z"


def dump(fields: Fields) -> bytes:
    """Returns the fields as JSON in UTF-8."""
    return _ENCODER.encode(fields).encode()


def unusual(fields: Fields, stream: Stream, choice: float) -> bytes:
    """Returns the same event in an unusual but valid form.

    Args:
        fields: a valid event, its times ending in ``Z``.
        stream: the event's stream.
        choice: selects the form, in [0, 1).
    """
    return _UNUSUAL[int(choice * len(_UNUSUAL))](fields, stream)


def kinds_of(stream: Stream) -> tuple[str, ...]:
    """Returns the kinds of malformed records that fit a stream's fields."""
    return tuple(kind for kind in MALFORMED if _applies(kind, stream))


def malformed(fields: Fields, stream: Stream, kinds: Sequence[str], choice: float) -> tuple[str, bytes | None]:
    """Returns a kind and a value that must become a dead letter.

    Args:
        fields: a valid event, which is changed.
        stream: the event's stream.
        kinds: the result of ``kinds_of`` for the stream.
        choice: selects the kind, in [0, 1).
    """
    place = choice * _HUGE_EVERY
    if place >= _HUGE_EVERY - 1:
        return "huge", b"x" * _HUGE_BYTES
    kind = kinds[int(place / (_HUGE_EVERY - 1) * len(kinds))]
    return kind, MALFORMED[kind](fields, stream)


def _applies(kind: str, stream: Stream) -> bool:
    if kind == "null_value" and stream.ignores_tombstones:
        return False
    what = _ABOUT.get(kind.rpartition("_")[2])
    return what is None or what(stream) is not None


def _time(change: Callable[[datetime], str]) -> Callable[[Fields, Stream], bytes]:
    def form(fields: Fields, stream: Stream) -> bytes:
        path = _time_path(stream)
        return dump(
            fields if path is None else replaced(fields, path, change(datetime.fromisoformat(at(fields, path))))
        )

    return form


_INDIA = timezone(timedelta(hours=5, minutes=30))
_UNDECLARED: Fields = {"channel": "web", "tags": ["a", {"b": None}], "": 1.5}


def _with_undeclared(fields: Fields, stream: Stream) -> bytes:
    return dump({name: each for name, each in _UNDECLARED.items() if name not in stream.fields} | {**fields})


_UNUSUAL: tuple[Callable[[Fields, Stream], bytes], ...] = (
    _with_undeclared,
    lambda fields, _: json.dumps(fields, indent=2).encode() + b"\n",
    lambda fields, _: dump({name: fields[name] for name in sorted(fields, reverse=True)}),
    _time(lambda time: time.astimezone(_INDIA).isoformat()),
    _time(lambda time: time.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")),
    _time(lambda time: (time + timedelta(microseconds=456)).isoformat(timespec="microseconds")),
)


def _identity_path(stream: Stream) -> Path | None:
    """Returns the path of the identity's first field; None if it is not a text."""
    path, *_ = stream.identity_paths or ((),)
    kind = _kind_at(stream, path)
    return path if isinstance(kind, String) and not kind.may_be_empty and not kind.is_optional else None


def _time_path(stream: Stream) -> Path | None:
    """Returns the path of the event time; None if it is not a text."""
    path = stream.event_time_path
    kind = _kind_at(stream, path) if path else None
    return path if kind and not kind.is_optional and getattr(kind, "unit", None) is TimeUnit.ISO_8601 else None


def _amount_path(stream: Stream) -> Path | None:
    """Returns the path of the first integer."""
    return next((path for path, kind in _values(stream.fields) if isinstance(kind, Integer)), None)


def _nested_path(stream: Stream) -> Path | None:
    """Returns the path of the first array, map or record."""
    found = (name for name, kind in stream.fields.items() if isinstance(kind, Array | Map | Record))
    return next(((name,) for name in found), None)


# The fields that a kind of malformed records needs, by the ending of its name.
_ABOUT: Mapping[str, Callable[[Stream], Path | None]] = {
    "id": _identity_path,
    "key": _identity_path,
    "time": _time_path,
    "only": _time_path,
    "future": _time_path,
    "amount": _amount_path,
    "nested": _nested_path,
}


def _values(fields: Mapping[str, Kind]) -> Iterator[tuple[Path, Kind]]:
    """Yields the required fields, including those of nested records."""
    for name, kind in fields.items():
        if not kind.is_optional:
            yield (name,), kind
            if isinstance(kind, Record):
                yield from (((name, *inner), each) for inner, each in _values(kind.fields))


def _kind_at(stream: Stream, path: Path) -> Kind | None:
    return dict(_values(stream.fields)).get(path)


def _with(find: Callable[[Stream], Path | None], value: Any) -> Callable[[Fields, Stream], bytes]:
    """Returns a function that makes an event malformed by setting a field to a value."""
    return lambda fields, stream: dump(replaced(fields, _there(find(stream)), value))


def _without(find: Callable[[Stream], Path | None]) -> Callable[[Fields, Stream], bytes]:
    def spoil(fields: Fields, stream: Stream) -> bytes:
        *outer, name = _there(find(stream))
        rest = {other: value for other, value in at(fields, tuple(outer)).items() if other != name}
        return dump(replaced(fields, tuple(outer), rest) if outer else rest)

    return spoil


def _there(path: Path | None) -> Path:
    if path is None:
        raise ValueError("the stream has no such field")
    return path


def _twice(fields: Fields, stream: Stream) -> bytes:
    name = json.dumps(_there(_identity_path(stream))[0], ensure_ascii=False)
    return dump(fields)[:-1] + f', {name}: "other"}}'.encode()


def _extra(value: bytes) -> Callable[[Fields, Stream], bytes]:
    return lambda fields, _: b'{"extra": ' + value + b", " + dump(fields)[1:]


MALFORMED: Mapping[str, Callable[[Fields, Stream], bytes | None]] = {
    "null_value": lambda *_: None,
    "empty": lambda *_: b"",
    "blank": lambda *_: b"   ",
    "invalid_utf8": _extra(b'"\xff"'),
    "truncated": lambda fields, _: dump(fields)[:-5],
    "trailing_garbage": lambda fields, _: dump(fields) + b" garbage",
    "two_objects": lambda fields, _: dump(fields) * 2,
    "duplicate_key": _twice,
    "deep_nesting": _extra(b"[" * _TOO_DEEP + b"]" * _TOO_DEEP),
    "lone_surrogate": _extra(rb'"\ud800"'),
    "array": lambda fields, _: b"[" + dump(fields) + b"]",
    "json_null": lambda *_: b"null",
    "json_text": lambda *_: b'"text"',
    "missing_id": _without(_identity_path),
    "null_id": _with(_identity_path, None),
    "empty_id": _with(_identity_path, ""),
    "number_id": _with(_identity_path, 5),
    "object_id": _with(_identity_path, {"$oid": "5"}),
    "missing_amount": _without(_amount_path),
    "null_amount": _with(_amount_path, None),
    "text_amount": _with(_amount_path, "5"),
    "decimal_amount": _with(_amount_path, 5.0),
    "true_amount": _with(_amount_path, True),
    "big_amount": _with(_amount_path, 2**63),
    "nan_amount": _with(_amount_path, float("nan")),
    "missing_time": _without(_time_path),
    "null_time": _with(_time_path, None),
    "number_time": _with(_time_path, 1_795_386_447_000),
    "text_time": _with(_time_path, "yesterday"),
    "date_only": _with(_time_path, "2026-11-22"),
    "impossible_time": _with(_time_path, "2026-02-30T12:00:00Z"),
    "wrong_nested": _with(_nested_path, 5),
    "far_future": _with(_time_path, _FAR_FUTURE),
}
