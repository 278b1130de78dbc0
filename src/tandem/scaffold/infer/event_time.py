"""Guesses which field has the time at which an event happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tandem.engine.declare.field_name import value_at
from tandem.engine.declare.kind import Kind, Timestamp, TimeUnit
from tandem.engine.declare.stream import EVENT_TIME, RecordPart
from tandem.scaffold.infer.identity import collides, required
from tandem.scaffold.infer.observed import Sample
from tandem.scaffold.infer.words import is_time_like, time_score
from tandem.verify.field_values import micros

# A field with a default comes after those without.
_NESTED, _IN_THE_FUTURE, _DEFAULTED = 15, 100, 1000


class TimeGuess(NamedTuple):
    """An event time and why it was chosen."""

    event_time: str | Literal[RecordPart.TIMESTAMP]
    reason: str


def guess_time(fields: Mapping[str, Kind], samples: Sequence[Sample], now_ms: int) -> TimeGuess:
    """Returns the timestamp that is most likely the time of the event.

    The record's own where there is none.

    Args:
        fields: the declared fields.
        samples: records; none for a schema.
        now_ms: the time after which no event has happened, in milliseconds since 1970.
    """
    best: tuple[int, TimeGuess] | None = None
    for path, name, kind, depth in required(fields):
        if depth and collides(fields, path, EVENT_TIME):
            continue
        is_number = isinstance(kind, Timestamp) and kind.unit is not TimeUnit.ISO_8601
        # A number is no time because of its size alone.
        if isinstance(kind, Timestamp) and not (is_number and samples and not is_time_like(name)):
            score, reason = time_score(name) - _NESTED * depth, how_written(kind)
            if any(_micros(kind, value_at(each.fields, path)) > now_ms * 1000 for each in samples):
                score, reason = score - _IN_THE_FUTURE, f"{reason}; some are in the future, and become dead letters"
            if kind.fallback is not None:
                score -= _DEFAULTED
            if best is None or score > best[0]:
                best = score, TimeGuess(path, reason)
    if best is None:
        return TimeGuess(RecordPart.TIMESTAMP, "no field has a time that every record has; name one with --time")
    return best[1]


def how_written(kind: Timestamp) -> str:
    """Returns how a timestamp is written."""
    return "ISO 8601" if kind.unit is TimeUnit.ISO_8601 else f"epoch {kind.unit}"


def _micros(kind: Timestamp, value: Any) -> int:
    if kind.unit is TimeUnit.ISO_8601:
        return micros(value) or 0 if isinstance(value, str) else 0
    return value * kind.unit.micros if isinstance(value, int) else 0
