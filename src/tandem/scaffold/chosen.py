"""Chooses the identity and the time of a described stream, and declares it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tandem.engine.declare.field_name import Path, find, folded, value_at
from tandem.engine.declare.kind import Integer, Kind, Record, String, Timestamp, TimeUnit
from tandem.engine.declare.stream import EVENT_TIME, IDENTITY, RecordPart, Stream
from tandem.errors import UsageError
from tandem.scaffold.described import Described
from tandem.scaffold.infer.event_time import TimeGuess, guess_time, how_written
from tandem.scaffold.infer.identity import Guess, Identity, collides, guess_identity, repeat_of, unique_in
from tandem.scaffold.infer.numbers import kind_of_times, kind_of_unit
from tandem.scaffold.names import record_name

# How the command line names the parts of a record besides its value.
KEY, TIMESTAMP = "record:key", "record:timestamp"
# The options for the identity and the time of the first stream, and those of the second one.
FIRST_OPTIONS, SECOND_OPTIONS = ("--id", "--time"), ("--join-id", "--join-time")


@dataclass(frozen=True)
class Choice:
    """What the user chose for one stream; empty or None to guess.

    Attributes:
        identity: the fields that identify a record, or ``record:key``.
        event_time: the field with its time, or ``record:timestamp``.
        reason: why the identity was chosen.
        options: the options for the identity and the time, for messages.
    """

    identity: tuple[str, ...] = ()
    event_time: str | None = None
    reason: str = "as chosen"
    options: tuple[str, str] = FIRST_OPTIONS


@dataclass(frozen=True)
class Chosen:
    """One stream of the new pipeline.

    Attributes:
        described: what its source says.
        stream: the declaration.
        record: what one record is called.
        notes: what was chosen and why, and what is not obvious.
    """

    described: Described
    stream: Stream
    record: str
    notes: tuple[str, ...]

    @property
    def columns(self) -> dict[str, Kind]:
        """The columns of the stream's rows, with those that its fields do not have."""
        added: dict[str, Kind] = {self.stream.identity_column: String(), self.stream.time_column: Timestamp()}
        return {**self.stream.fields, **{name: kind for name, kind in added.items() if name not in self.stream.fields}}


def choose(described: Described, choice: Choice, pipeline: str, now_ms: int) -> Chosen:
    """Returns the stream's declaration.

    Args:
        described: what the source says.
        choice: what the user chose.
        pipeline: its name, with which a new topic begins.
        now_ms: the time after which no event has happened, in milliseconds since 1970.

    Raises:
        UsageError: a chosen field is not valid.
    """
    described, choice = _with_unit(described, choice)
    record, described = record_name(described.name), _with_chosen_time(described, choice)
    identity, why_identity = _identity(described, choice, record)
    time, why_time = _event_time(described, choice, now_ms)
    _check_columns(described, choice)
    fields, notes = _without_added(described.fields, identity, time)
    if not described.samples:
        fields = _never_empty(fields, identity)
    if not fields:
        raise UsageError(f"{described.source}: {'; '.join(notes)}", hint="rename it in the records")
    topic, external = described.topic or f"{pipeline}_{described.name}_v1", described.topic is not None
    try:
        stream = Stream(described.name, topic, fields, event_time=time, identity=identity, external=external)
    except ValueError as error:
        raise UsageError(
            f"{described.source}: {error}",
            hint=f"choose others with {' and '.join(choice.options)}; {KEY} and {TIMESTAMP} also work",
        ) from None
    if described.topic:
        notes.append(f"`tandem run` and `tandem produce` send generated records to the topic {described.topic}")
    notes += _defaulted(described.fields, identity, time)
    chosen = [f"identity: {_shown(identity)} ({why_identity})", f"time: {_shown(time)} ({why_time})"]
    return Chosen(described, stream, record, (*chosen, *described.notes, *notes))


def _defaulted(fields: Mapping[str, Kind], identity: Identity, time: str | Literal[RecordPart.TIMESTAMP]) -> list[str]:
    """Returns notes if records may lack their identity or time."""
    paths = {"identity": identity if isinstance(identity, tuple) else (identity,), "time": (time,)}
    return [
        f"records that lack {path} have the same {what}: the field's default"
        for what, each in paths.items()
        for path in each
        if isinstance(path, str) and (found := find(fields, path, may_be_absent=True)) and found[1].fallback is not None
    ]


def _with_unit(described: Described, choice: Choice) -> tuple[Described, Choice]:
    """Returns the description and the choice without a unit, as in ``at:ms``."""
    path, _, unit = (choice.event_time or "").rpartition(":")
    kind, found = kind_of_unit(unit), find(described.fields, path, may_be_absent=True)
    is_number = found is not None and (
        isinstance(found[1], Integer) or (isinstance(found[1], Timestamp) and found[1].unit is not TimeUnit.ISO_8601)
    )
    if kind is None or found is None or not is_number:
        return described, choice
    fields = _replaced(described.fields, found[0], replace(kind, is_optional=found[1].is_optional))
    return replace(described, fields=fields), replace(choice, event_time=path)


def _with_chosen_time(described: Described, choice: Choice) -> Described:
    """Returns the description with the chosen field as the time.

    If it has integers, they become times since 1970.
    """
    found = find(described.fields, choice.event_time or "", may_be_absent=True)
    if found is None or not isinstance(found[1], Integer):
        return described
    values = [value_at(each.fields, str(choice.event_time)) for each in described.samples]
    kind = kind_of_times([value for value in values if type(value) is int], found[0][-1])
    if kind is None:
        return described
    kind = replace(kind, is_optional=found[1].is_optional)
    return replace(described, fields=_replaced(described.fields, found[0], kind))


def _identity(described: Described, choice: Choice, record: str) -> Guess:
    if not choice.identity:
        return guess_identity(described.fields, described.samples, record)
    if choice.identity == (KEY,):
        return Guess(RecordPart.KEY, "as chosen")
    for number, path in enumerate(choice.identity):
        _check_there(described, path, choice.options[0])
        if path in choice.identity[:number]:
            raise UsageError(
                f"{described.source}: {choice.options[0]} {path} is given twice", hint="name each field once"
            )
    identity: Identity = choice.identity[0] if len(choice.identity) == 1 else choice.identity
    repeat = repeat_of(choice.identity, described.samples)
    if repeat is None:
        return Guess(
            identity, f"{choice.reason}, {unique_in(described.samples)}" if described.samples else choice.reason
        )
    return Guess(identity, f"{choice.reason}; {repeat.first} and {repeat.second} have the same, so one is a repeat")


def _event_time(described: Described, choice: Choice, now_ms: int) -> TimeGuess:
    if choice.event_time is None:
        return guess_time(described.fields, described.samples, now_ms)
    if choice.event_time == TIMESTAMP:
        return TimeGuess(RecordPart.TIMESTAMP, "as chosen")
    option = choice.options[1]
    kind = _check_there(described, choice.event_time, option)
    if not isinstance(kind, Timestamp):
        times = f"choose one with times, or {TIMESTAMP}"
        is_integer = isinstance(kind, Integer)
        raise UsageError(
            f"{described.source}: {option} {choice.event_time} is of type {kind}, not a timestamp",
            hint=f"add its unit, such as {option} {choice.event_time}:ms; or {times}" if is_integer else times,
        )
    return TimeGuess(choice.event_time, f"as chosen, {how_written(kind)}")


def _check_columns(described: Described, choice: Choice) -> None:
    """Raises UsageError where a chosen field is left out for a column of its name."""
    identity, time = choice.options
    many = len(choice.identity) > 1
    chosen = [(identity, path, IDENTITY, many) for path in choice.identity]
    chosen += [(time, choice.event_time, EVENT_TIME, False)] if choice.event_time else []
    for option, path, column, is_added in chosen:
        if (is_added or path not in described.fields) and collides(described.fields, path, column):
            raise UsageError(
                f"{described.source}: {option} {path} is in a field with the name of a column that the rows get",
                hint="choose another field, or rename this one in the records",
            )


def _check_there(described: Described, path: str, option: str) -> Kind:
    found = find(described.fields, path, may_be_absent=True)
    if found is None:
        raise UsageError(
            f"{described.source}: {option} {path} is not a declared field",
            hint=f"the fields are: {', '.join(described.fields)}",
        )
    return found[1]


def _without_added(
    fields: Mapping[str, Kind], identity: Identity, time: str | Literal[RecordPart.TIMESTAMP]
) -> tuple[dict[str, Kind], list[str]]:
    """Returns the fields without those named like an added column, and notes."""
    added = [column for column, chosen in ((IDENTITY, identity), (EVENT_TIME, time)) if chosen not in fields]
    left_out = [name for name in fields if folded(name) in added]
    notes = [f"left out: field {name!r} is named like a column that the rows get" for name in left_out]
    return {name: kind for name, kind in fields.items() if name not in left_out}, notes


def _never_empty(fields: Mapping[str, Kind], identity: Identity) -> dict[str, Kind]:
    """Returns the fields with an identity that is not an empty string.

    A schema does not exclude the empty string, and may have it as the default.
    """
    found = dict(fields)
    for path in (identity,) if isinstance(identity, str) else identity if isinstance(identity, tuple) else ():
        at = find(found, path)
        if at is not None and isinstance(at[1], String):
            kind = replace(at[1], may_be_empty=False)
            if kind.fallback == "":
                kind = replace(kind, is_optional=False, fallback=None)
            found = _replaced(found, at[0], kind)
    return found


def _replaced(fields: Mapping[str, Kind], path: Sequence[str], kind: Kind) -> dict[str, Kind]:
    name, *rest = path
    outer = fields[name]
    if rest and isinstance(outer, Record):
        kind = replace(outer, fields=_replaced(outer.fields, rest, kind))
    return {**fields, name: kind}


def _shown(chosen: Identity | Literal[RecordPart.TIMESTAMP]) -> str:
    if isinstance(chosen, RecordPart):
        return f"the record's {chosen.value}"
    return chosen if isinstance(chosen, str) else ", ".join(chosen)


def kind_at(fields: Mapping[str, Kind], path: Path) -> Kind:
    """Returns the type at a path of nested records."""
    name, *rest = path
    return kind_at(fields[name].fields, tuple(rest)) if rest else fields[name]  # type: ignore[union-attr]
