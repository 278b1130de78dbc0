"""Writes Python expressions as the formatter would."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 120
# Greek and Cyrillic letters that look like Latin ones.
_LOOKALIKES = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγικνορστυωμАВЕЗКМНОРСТУХЅІЈаеосрухѕіјԁԛԝгкптвнм")
_WORD = re.compile(r"(\W+)")
# What follows a call's arguments: a call of its result.
_CALL_OF_RESULT = re.compile(r"(\)\.\w+\()([^()]+)\)")
_STEP = "    "


@dataclass(frozen=True)
class Items:
    """The content of two brackets, such as a call's arguments.

    Attributes:
        before: what precedes the items, with the opening bracket.
        items: them; a member of a dictionary or a keyword argument is an ``Item``.
        after: the closing bracket and what follows it.
        split: whether each item has a line of its own in any case.
    """

    before: str
    items: Sequence[Code]
    after: str
    split: bool = False

    @property
    def is_call(self) -> bool:
        """Whether these are the arguments of a call."""
        return self.before.endswith("(") and len(self.before) > 1


@dataclass(frozen=True)
class Item:
    """A value behind its name: ``"key": value`` or ``name=value``."""

    name: str
    value: Code


@dataclass(frozen=True)
class Each:
    """A comprehension.

    Attributes:
        brackets: those that it stands in.
        item: what is made.
        clause: ``for ... in ...``.
    """

    brackets: str
    item: Code
    clause: str


@dataclass(frozen=True)
class Sometimes:
    """A value that may be None."""

    value: Code
    condition: str


Code = str | Items | Item | Each | Sometimes


def call(function: str, *arguments: Code, after: str = "", split: bool = False) -> Items:
    """Returns a call."""
    return Items(f"{function}(", arguments, f"){after}", split)


def mapping(members: Sequence[tuple[str, Code]], *, split: bool = False) -> Items:
    """Returns a dictionary with these names."""
    return Items("{", [Item(f"{text(name)}: ", value) for name, value in members], "}", split)


def several(items: Sequence[Code], *, split: bool = False) -> Items:
    """Returns a tuple."""
    if len(items) == 1 and not split:
        return Items("(", items, ",)")
    return Items("(", items, ")", split)


def written(code: Code, indent: int = 0, before: int = 0, after: int = 1) -> str:
    """Returns the text of an expression.

    Args:
        code: the expression.
        indent: the steps by which its line is indented.
        before: the columns of that line before it, without the indentation.
        after: the columns behind it.
    """
    one_line = _flat(code)
    if one_line is not None and len(_STEP) * indent + before + width(one_line) + after <= WIDTH:
        return one_line
    match code:
        case str():
            return code
        case Item():
            return code.name + written(code.value, indent, before + width(code.name), after)
        case Items():
            return _split(code, indent, before)
        case Each():
            inner = _line(indent + 1)
            together = _flat(code.item)
            if together is not None and len(_STEP) * (indent + 1) + width(f"{together} {code.clause}") <= WIDTH:
                return f"{code.brackets[0]}{inner}{together} {code.clause}{_line(indent)}{code.brackets[1]}"
            item = written(code.item, indent + 1, after=0)
            return f"{code.brackets[0]}{inner}{item}{inner}{code.clause}{_line(indent)}{code.brackets[1]}"
        case Sometimes():
            value, line = written(code.value, indent, before, after=0), _line(indent)
            return f"{value}{line}if {code.condition}{line}else None"


def text(value: str) -> str:
    """Returns a string as the formatter writes it.

    Characters that look like others are escaped.
    """
    quote = "'" if value.count('"') > value.count("'") else '"'
    words = _WORD.split(value)
    return quote + "".join(_character(each, quote, word) for word in words for each in word) + quote


def width(line: str) -> int:
    """Returns how many columns a text takes."""
    return len(line) + sum(unicodedata.east_asian_width(each) in "WF" for each in line if not each.isascii())


def _split(code: Items, indent: int, before: int) -> str:
    inner, last = _line(indent + 1), _line(indent)
    if code.is_call and not code.split:
        flat = [_flat(each) for each in code.items]
        together = ", ".join(filter(None, flat))
        # The formatter splits the last brackets first.
        if None not in flat and (found := _CALL_OF_RESULT.fullmatch(code.after)):
            head = f"{code.before}{together}{found[1]}"
            if len(_STEP) * indent + before + width(head) <= WIDTH:
                return f"{head}{inner}{found[2]}{last})"
        if None not in flat and len(_STEP) * (indent + 1) + width(together) <= WIDTH:
            return f"{code.before}{inner}{together}{last}{code.after}"
        if len(code.items) == 1:
            return f"{code.before}{inner}{written(code.items[0], indent + 1, after=0)}{last}{code.after}"
    items = "".join(f"{inner}{written(each, indent + 1)}," for each in code.items)
    return f"{code.before}{items}{last}{code.after.lstrip(',')}"


def _flat(code: Code) -> str | None:
    """Returns an expression on one line; None where a part of it is split in any case."""
    match code:
        case str():
            return code
        case Item():
            value = _flat(code.value)
            return None if value is None else code.name + value
        case Items():
            parts = [_flat(each) for each in code.items]
            if code.split or None in parts:
                return None
            return code.before + ", ".join(filter(None, parts)) + code.after
        case Each():
            item = _flat(code.item)
            return None if item is None else f"{code.brackets[0]}{item} {code.clause}{code.brackets[1]}"
        case Sometimes():
            value = _flat(code.value)
            return None if value is None else f"{value} if {code.condition} else None"


def _line(indent: int) -> str:
    return "\n" + _STEP * indent


def _character(character: str, quote: str, word: str) -> str:
    if character in (quote, "\\"):
        return f"\\{character}"
    if character.isascii():
        return character if character.isprintable() else repr(character)[1:-1]
    category, is_plain = unicodedata.category(character), unicodedata.normalize("NFKC", character) == character
    # A word of another alphabet is taken for what it is, unless all of it looks like Latin letters.
    looks_latin = character in _LOOKALIKES and all(each.isascii() or each in _LOOKALIKES for each in word)
    if is_plain and not looks_latin and (category[0] in "LN" or category in ("So", "Sc", "Mn", "Mc")):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
