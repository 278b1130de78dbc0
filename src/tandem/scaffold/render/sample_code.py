"""Writes the functions that make sample records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from tandem.engine.declare.field_name import Path
from tandem.engine.declare.kind import (
    Array,
    Boolean,
    Bytes,
    Date,
    Decimal,
    Double,
    Enum,
    Integer,
    Kind,
    Map,
    Record,
    String,
    Timestamp,
)
from tandem.scaffold.described import FixedBytes
from tandem.scaffold.infer.observed import ObservedValues
from tandem.scaffold.infer.words import singular, words_of
from tandem.scaffold.names import unlike
from tandem.scaffold.render.code import Code, Each, Item, Sometimes, call, mapping, several, text, written

# Python's random numbers have no more bits; amounts are smaller in any case.
_MOST = 10**12
_MOST_UNKNOWN, _FEW_BYTES = 1000, 8
_OFTEN = "chance.random() < 0.8"
# So many arrays inside each other have several items; those in them have one.
_MOST_SEVERAL = 3
_SEVERAL = "in range(chance.randrange(1, 4))"
# What the functions may need, in this order, and their types.
_PARAMETERS: Mapping[str, str] = {"chance": "Random", "moment_id": "str", "moment_number": "int", "time_ms": "int"}
_STRING = re.compile(r"""f?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_INSERTED = re.compile(r"{[^}]*}")
# More digits than a moment's number has.
_NUMBER_DIGITS = 14
# A decimal with so many digits has a value for each sample of a long run.
_ENOUGH_DIGITS = 9


class Function(NamedTuple):
    """A function of the generator: its name and what it needs."""

    name: str
    parameters: tuple[str, ...]

    def call(self, **given: str) -> str:
        """Returns a call; parameters that are not given are variables of the same name."""
        return f"{self.name}({', '.join(given.get(each, each) for each in self.parameters)})"


@dataclass
class SampleCode:
    """The code of a generator: constants, and a function for each kind of record.

    Attributes:
        refers: the name of a record that others refer to; their functions get it.
        constants: their text by their name.
        functions: the text of each function, by its name; those that others call come first.
    """

    refers: str | None = None
    constants: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    _depth: int = field(default=0, init=False)

    def add_record(
        self, name: str, fields: Mapping[str, Kind], seen: ObservedValues | None, given: Mapping[Path, str]
    ) -> Function:
        """Adds and returns the function that makes a record's fields.

        Args:
            name: what one record is called, such as ``order``.
            fields: the declared fields.
            seen: what was seen of them, if anything.
            given: the values of some fields, by their path.
        """
        return self._function(name, f"the fields of {_article(name)} {name.replace('_', ' ')}", fields, seen, given, ())

    def _function(
        self,
        name: str,
        what: str,
        fields: Mapping[str, Kind],
        seen: ObservedValues | None,
        given: Mapping[Path, str],
        path: Path,
    ) -> Function:
        members = [
            (each, self._field(kind, each, seen.fields.get(each) if seen else None, given, (*path, each)))
            for each, kind in fields.items()
        ]
        body = written(mapping(members, split=True), indent=1, before=len("return "), after=0)
        function = unlike(f"_{name}", self.functions)
        known = {**_PARAMETERS, **({self.refers: "Mapping[str, Any]"} if self.refers else {})}
        code = _without_strings(body)
        needed = {each: kind for each, kind in known.items() if re.search(rf"\b{each}\b", code)}
        arguments = ", ".join(f"{each}: {kind}" for each, kind in needed.items())
        self.functions[function] = (
            f'def {function}({arguments}) -> dict[str, Any]:\n    """Returns {what}."""\n    return {body}\n'
        )
        return Function(function, tuple(needed))

    def _field(self, kind: Kind, name: str, seen: ObservedValues | None, given: Mapping[Path, str], path: Path) -> Code:
        if path in given:
            return given[path]
        value = self._value(kind, name, seen, given, path)
        return Sometimes(value, _OFTEN) if kind.is_optional else value

    def _value(self, kind: Kind, name: str, seen: ObservedValues | None, given: Mapping[Path, str], path: Path) -> Code:
        label = label_of(name)
        match kind:
            case String():
                if seen and seen.symbols:
                    return self._one_of(name, seen.symbols)
                return f'f"{label}-{{chance.randrange(1000)}}"'
            case Enum():
                return self._one_of(name, kind.symbols)
            case Boolean():
                return call("chance.choice", several(["True", "False"]))
            case Integer():
                least, most = seen.integers if seen and seen.integers else (1, _MOST_UNKNOWN)
                least = max(-_MOST, min(least, _MOST - 1))
                return call("chance.randrange", _digits(least), _digits(max(least, min(most, _MOST)) + 1))
            case Double():
                largest = max(1, int(min(seen.largest if seen else 1, _MOST)))
                return call("round", call("chance.uniform", "0", _digits(largest)), "3")
            case Decimal():
                size = min(seen.largest if seen else _MOST_UNKNOWN, _MOST)
                most = min(int(size * 10**kind.scale) + 2, 10**kind.precision, _MOST)
                return call("Decimal", call("chance.randrange", "1", _digits(most)), after=_scaled(kind))
            case Date():
                return call("datetime.fromtimestamp", "time_ms / 1000", "UTC", after=".date()")
            case Timestamp():
                return call("chance.randrange", "time_ms - 60_000", "time_ms")
            case Bytes():
                size = kind.size if isinstance(kind, FixedBytes) else _FEW_BYTES
                return f"bytes(chance.randrange(256) for _ in range({size}))"
            case Record():
                what = f"the fields of {_article(label)} {label}"
                function = self._function(label.replace("-", "_"), what, kind.fields, seen, given, path)
                return call(function.name, *function.parameters) if function.parameters else function.call()
            case Array():
                item = self._item(kind.items, singular(name), seen.items if seen else None)
                return Each("[]", item, f"for _ {self._several}")
            case Map():
                value = self._item(kind.values, "value", None)
                return Each("{}", Item('f"key-{number}": ', value), f"for number {self._several}")
            case _:
                assert_never(kind)

    def _item(self, kind: Kind, name: str, seen: ObservedValues | None) -> Code:
        """Returns the value of an array's items or a map's values."""
        self._depth += 1
        try:
            return self._value(kind, name, seen, {}, ())
        finally:
            self._depth -= 1

    @property
    def _several(self) -> str:
        """How many items there are: one, if the array is inside several others."""
        return _SEVERAL if self._depth < _MOST_SEVERAL else "in range(1)"

    def _one_of(self, name: str, symbols: tuple[str, ...]) -> Code:
        """Returns the choice of one of several strings, which become a constant."""
        if len(symbols) == 1:
            return text(symbols[0])
        code = several([text(each) for each in symbols])
        base = f"_{label_of(name).replace('-', '_').upper()}_VALUES"
        there = (each for each in self.constants if self.constants[each].partition(" = ")[2] == _constant(each, code))
        constant = next(there, None) or unlike(base, self.constants)
        self.constants[constant] = f"{constant} = {_constant(constant, code)}"
        return call("chance.choice", constant)


def identity_value(kind: Kind, name: str, record: str) -> str:
    """Returns the value of an identifying field, which differs for each moment.

    It repeats when the type has no other value. Empty if the type has few.
    """
    label = label_of(name.rpartition(".")[2], without="id") or label_of(record)
    match kind:
        case String():
            return f'f"{label}-{{moment_id}}"'
        case Integer():
            return number_value(kind.bits)
        case Decimal():
            return f"Decimal(moment_number % 10**{min(kind.precision, _NUMBER_DIGITS)})" + _scaled(kind)
        case _:
            return ""


def number_value(bits: int) -> str:
    """Returns the value of an identifying integer of so many bits."""
    return "moment_number" if bits == 64 else "moment_number % 2**31"


def few_values(kind: Kind) -> str | None:
    """Returns how many values a field has; None if it has enough for a run."""
    match kind:
        case Decimal() if kind.precision < _ENOUGH_DIGITS:
            return f"{10**kind.precision:,}"
        case Boolean() | Enum() | Date() | Timestamp() | Double():
            return "few"
        case _:
            return None


def label_of(name: str, without: str = "") -> str:
    """Returns a name's words in letters and digits of ASCII, with dashes."""
    words = [word for word in words_of(name) if word.isascii() and word != without]
    return "-".join(words).lstrip("0123456789-")[:30].rstrip("-") or ("" if without else "value")


def _scaled(kind: Decimal) -> str:
    return f".scaleb(-{kind.scale})" if kind.scale else ""


def _digits(number: int) -> str:
    return f"{number:_}" if abs(number) >= 10_000 else str(number)


def _constant(name: str, code: Code) -> str:
    return written(code, before=len(f"{name} = "), after=0)


def _without_strings(body: str) -> str:
    """Returns an expression's text without the content of its strings.

    The values that f-strings insert are kept.
    """
    return _STRING.sub(lambda each: " ".join(_INSERTED.findall(each[0])) if each[0][0] == "f" else "", body)


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"
