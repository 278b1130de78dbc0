"""Collects what the values of each field are, over all sample records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tandem.verify.strict_json import Number

# A stream's fields cannot be nested deeper.
MAX_DEPTH = 49
# So many different strings of a field are kept, and none that is longer.
_MOST_STRINGS, _LONGEST_STRING = 9, 32


class Sample(NamedTuple):
    """One record of a source: its place and its fields.

    A place is a text such as ``line 3``. ``strict_json`` has read the fields.
    """

    place: str
    fields: dict[str, Any]


@dataclass
class ObservedValues:
    """What was seen of one field.

    Attributes:
        path: its name and those of the records that it is in, such as ``items[].price``.
        depth: in how many records and arrays it is.
        places: for each JSON type, where a value of it was seen first; ``null`` is one.
        counts: for each JSON type, how many values.
        integers: the smallest and the largest integer.
        whole_digits: the most digits before the point of a number.
        fraction_digits: of numbers with a fraction, how many have so many digits behind the point, as written.
        exact_digits: the most digits of a number in all, as written.
        has_exponent: whether a number has an exponent.
        largest: the largest number without its sign, as a double.
        strings: how often each of the first few different strings was seen, cut where they are long.
        texts: the different strings.
        fields: of objects, what was seen of each field.
        items: of arrays, what was seen of the items.
    """

    path: str
    depth: int = 0
    places: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    integers: tuple[int, int] | None = None
    whole_digits: int = 0
    fraction_digits: Counter[int] = field(default_factory=Counter)
    exact_digits: int = 0
    has_exponent: bool = False
    largest: float = 0.0
    strings: Counter[str] = field(default_factory=Counter)
    texts: set[str] = field(default_factory=set)
    fields: dict[str, ObservedValues] = field(default_factory=dict)
    items: ObservedValues | None = None

    @property
    def types(self) -> set[str]:
        """The JSON types of its values besides null."""
        return self.counts.keys() - {"null"}

    @property
    def present(self) -> int:
        """How many values are not null."""
        return self.counts.total() - self.counts["null"]

    def add(self, value: Any, place: str) -> None:
        """Adds a value."""
        name = _TYPES[type(value)]
        self.places.setdefault(name, place)
        self.counts[name] += 1
        match value:
            case dict():
                self._add_object(value, place)
            case list():
                self._add_array(value, place)
            case Number():
                self._add_number(value)
            case str():
                self._add_string(value)
            case int() if type(value) is int:
                self._add_integer(value)

    def _add_object(self, value: dict[str, Any], place: str) -> None:
        if self.depth >= MAX_DEPTH:
            return
        for name, each in value.items():
            if name not in self.fields:
                self.fields[name] = ObservedValues(f"{self.path}.{name}" if self.path else name, self.depth + 1)
            self.fields[name].add(each, place)

    def _add_array(self, value: list[Any], place: str) -> None:
        if self.depth >= MAX_DEPTH:
            return
        if self.items is None:
            self.items = ObservedValues(f"{self.path}[]", self.depth + 1)
        for item in value:
            self.items.add(item, place)

    def _add_integer(self, value: int) -> None:
        least, most = self.integers or (value, value)
        self.integers = min(least, value), max(most, value)
        digits = len(str(abs(value)))
        self.whole_digits, self.exact_digits = max(self.whole_digits, digits), max(self.exact_digits, digits)
        self.largest = max(self.largest, abs(float(value)) if digits < 308 else float("inf"))

    def _add_number(self, value: Number) -> None:
        if "e" in value.lower():
            self.has_exponent = True
        else:
            whole, _, fraction = value.lstrip("-").partition(".")
            self.whole_digits = max(self.whole_digits, len(whole))
            self.exact_digits = max(self.exact_digits, len(whole) + len(fraction))
            self.fraction_digits[len(fraction)] += 1
        self.largest = max(self.largest, abs(float(value)))

    def _add_string(self, value: str) -> None:
        self.texts.add(value)
        if len(self.strings) < _MOST_STRINGS:
            self.strings[value[: _LONGEST_STRING + 1]] += 1
        elif value in self.strings:
            self.strings[value] += 1

    def merge(self, other: ObservedValues) -> None:
        """Adds what was seen of another field."""
        for name, place in other.places.items():
            self.places.setdefault(name, place)
        self.counts += other.counts
        if other.integers is not None:
            least, most = self.integers or other.integers
            self.integers = min(least, other.integers[0]), max(most, other.integers[1])
        self.whole_digits = max(self.whole_digits, other.whole_digits)
        self.exact_digits = max(self.exact_digits, other.exact_digits)
        self.fraction_digits += other.fraction_digits
        self.has_exponent |= other.has_exponent
        self.largest = max(self.largest, other.largest)
        self.strings += other.strings
        self.texts |= other.texts
        for name, each in other.fields.items():
            self.fields.setdefault(name, ObservedValues(f"{self.path}.{name}", self.depth + 1)).merge(each)
        if other.items is not None:
            self.items = self.items or ObservedValues(f"{self.path}[]", self.depth + 1)
            self.items.merge(other.items)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The strings of a field that has few, each of them several times.

        Empty for any other.
        """
        few = len(self.strings) < _MOST_STRINGS and self.counts["string"] >= 3 * len(self.strings)
        short = all(0 < len(each) <= _LONGEST_STRING and each.isprintable() for each in self.strings)
        return tuple(self.strings) if few and short and len(self.strings) > 1 else ()


_TYPES = {
    bool: "boolean",
    int: "integer",
    Number: "number",
    str: "string",
    dict: "object",
    list: "array",
    type(None): "null",
}


def observe(samples: list[Sample]) -> ObservedValues:
    """Returns what was seen of the records, as one object."""
    root = ObservedValues("")
    for sample in samples:
        root.add(sample.fields, sample.place)
    return root
