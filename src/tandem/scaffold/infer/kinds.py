"""Infers the types of fields from what was seen of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import DATE_PATTERN, Decimal, Kind, String, Timestamp
from tandem.errors import UsageError
from tandem.scaffold.infer.maps import values_of_map
from tandem.scaffold.infer.numbers import (
    kind_of_amounts,
    kind_of_integers,
    kind_of_numbers,
    looks_like_cents,
    undeclared_time,
)
from tandem.scaffold.infer.observed import MAX_DEPTH, ObservedValues
from tandem.scaffold.infer.words import is_time_like
from tandem.scaffold.names import problem_of_name
from tandem.verify.field_values import micros

# What begins like a time, or is a date.
_TIME_LIKE = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:|$)")
# What may be a time in another form, in a field named like one.
_YEAR = re.compile(r"[0-9]{4}")
_FORM = "2026-11-29T08:30:00.123456Z"
_CALLED = {
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "object": "an object",
    "array": "an array",
}


class Kinds:
    """Infers types, and notes what is not obvious.

    Args:
        source: what the samples come from, for messages.
        leaves_out: whether a field with values of different types is left out; else it is an error.
    """

    def __init__(self, source: str, *, leaves_out: bool = False) -> None:
        self._source, self._leaves_out = source, leaves_out
        self.optional: list[str] = []
        self.notes: list[str] = []
        self._decimals: list[str] = []
        self._cents: list[str] = []

    def all_notes(self) -> tuple[str, ...]:
        """Returns all notes, those about many fields first."""
        found = [f"optional: {', '.join(self.optional)}"] if self.optional else []
        if self._decimals:
            why = "a number with more digits or an exponent becomes a dead letter"
            found.append(f"decimals: {', '.join(self._decimals)}; {why}")
        if self._cents:
            found.append(f"doubles: {', '.join(self._cents)}; declare amounts of money as decimal(12, 2)")
        return (*found, *self.notes)

    def fields(self, record: ObservedValues) -> dict[str, Kind]:
        """Returns the types of a record's fields that a stream can declare.

        Raises:
            UsageError: a field has values of different types.
        """
        found: dict[str, Kind] = {}
        for name, seen in record.fields.items():
            if problem := problem_of_name(name, found):
                self.notes.append(f"left out: {problem}")
                continue
            kind = self._kind(seen, name)
            if kind is None:
                continue
            if seen.present < record.counts["object"]:
                self.optional.append(seen.path)
                kind = kind.optional()
            found[name] = kind
        return found

    def _kind(self, seen: ObservedValues, name: str) -> Kind | None:
        """Returns a field's type; None for one that is left out, which is noted."""
        types = seen.types
        if types == {"integer", "number"}:
            types = {"number"}
        if len(types) > 1:
            (one, first), (other, second), *_ = ((each, at) for each, at in seen.places.items() if each != "null")
            differs = f"field {seen.path!r} is {_CALLED[one]} in {first} and {_CALLED[other]} in {second}"
            if self._leaves_out:
                self.notes.append(f"left out: {differs}")
                return None
            raise UsageError(
                f"{self._source}: {differs}",
                hint="a field has one type; make the samples agree, or leave the field out of them to have it ignored",
            )
        if not types:
            return self._unknown(seen)
        infer: dict[str, Callable[[ObservedValues, str], Kind | None]] = {
            "boolean": lambda *_: FieldType.BOOLEAN,
            "integer": self._integers,
            "number": self._numbers,
            "string": self._strings,
            "object": lambda seen, _: self._object(seen),
            "array": self._array,
        }
        return infer[types.pop()](seen, name)

    def _unknown(self, seen: ObservedValues) -> Kind:
        self.notes.append(f"{seen.path}: only null, declared as an optional string")
        return FieldType.STRING

    def _integers(self, seen: ObservedValues, name: str) -> Kind | None:
        kind = kind_of_integers(seen, name)
        if isinstance(kind, Timestamp) and not is_time_like(name):
            self.notes.append(f"{seen.path}: declared as a time since 1970 because of its size")
        return self._noted(seen, name, kind)

    def _numbers(self, seen: ObservedValues, name: str) -> Kind | None:
        return self._noted(seen, name, kind_of_numbers(seen, name))

    def _strings(self, seen: ObservedValues, name: str) -> Kind:
        kind, texts = _kind_of_strings(seen.texts), list(filter(None, seen.texts))
        if not isinstance(kind, String) or not texts:
            return kind
        pattern = _YEAR if is_time_like(name) else _TIME_LIKE
        if all(map(pattern.search, texts)):
            reason = "some are empty" if kind.may_be_empty else f"not all are like {_FORM}"
            self.notes.append(f"{seen.path}: its times are declared as strings, because {reason}")
        elif not kind.may_be_empty and (decimal := kind_of_amounts(seen.texts, name)) is not None:
            return self._noted(seen, name, decimal) or kind
        return kind

    def _noted(self, seen: ObservedValues, name: str, kind: Kind | None) -> Kind | None:
        if kind is None:
            self.notes.append(f"left out: {seen.path} has a number that is too large for any type")
        elif isinstance(kind, Decimal):
            self._decimals.append(f"{seen.path} ({kind.precision}, {kind.scale})")
        elif kind == FieldType.DOUBLE and looks_like_cents(seen) and not is_time_like(name):
            self._cents.append(seen.path)
        elif kind == FieldType.DOUBLE and seen.whole_digits > 15:
            self.notes.append(f"{seen.path}: declared as a double, which rounds its longest numbers")
        elif kind is not None and (reason := undeclared_time(seen, name, kind)):
            self.notes.append(f"{seen.path}: not declared as a time, because {reason}")
        return kind

    def _object(self, seen: ObservedValues) -> Kind | None:
        if seen.depth >= MAX_DEPTH:
            self._note_depth(seen)
            return None
        if not seen.fields:
            self.notes.append(f"{seen.path}: only empty objects, declared as a map of strings")
            return FieldType.map(FieldType.TEXT)
        if (found := self._map(seen)) is not None:
            return found
        known, fields = len(self.notes), self.fields(seen)
        if not fields:
            if len(self.notes) == known:
                self.notes.append(f"left out: {seen.path}, because no field of it can be declared")
            return None
        return FieldType.record(fields)

    def _map(self, seen: ObservedValues) -> Kind | None:
        """Returns the type of objects that are maps; None for records."""
        values = values_of_map(seen)
        if values is None:
            return None
        inner = Kinds(self._source, leaves_out=self._leaves_out)
        try:
            kind = inner._kind(values, "")
        except UsageError:
            # Fields with the same name have different types, as those of records have.
            return None
        if kind is None:
            return None
        self.optional += inner.optional
        self.notes += inner.notes
        self._decimals += inner._decimals
        self._cents += inner._cents
        self.notes.append(f"{seen.path}: declared as a map, because the names in it vary")
        return FieldType.map(kind)

    def _array(self, seen: ObservedValues, name: str) -> Kind | None:
        if seen.items is None:
            self._note_depth(seen)
            return None
        if not seen.items.counts:
            self.notes.append(f"{seen.path}: only empty arrays, declared as an array of strings")
            return FieldType.array(FieldType.TEXT)
        if "null" in seen.items.counts:
            self.notes.append(f"left out: {seen.path} has an item that is null ({seen.items.places['null']})")
            return None
        items = self._kind(seen.items, name)
        return None if items is None else FieldType.array(items)

    def _note_depth(self, seen: ObservedValues) -> None:
        shown = seen.path if len(seen.path) < 60 else f"{seen.path[:60]}..."
        self.notes.append(f"left out: {shown} is nested deeper than {MAX_DEPTH} levels")


def _kind_of_strings(texts: set[str]) -> Kind:
    if all(map(_is_date, texts)):
        return FieldType.DATE
    if all(micros(text) is not None for text in texts):
        return FieldType.TIMESTAMP
    return FieldType.TEXT if "" in texts else FieldType.STRING


def _is_date(text: str) -> bool:
    if not re.fullmatch(DATE_PATTERN, text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
