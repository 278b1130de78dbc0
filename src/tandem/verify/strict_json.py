"""Parses JSON as strictly as the engine's parser, unlike Python's own."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

# Limits of the engine's parser (Jackson's defaults). It counts strings in UTF-16 units, and wraps the record.
MAX_DEPTH = 999
MAX_NUMBER_DIGITS = 1000
MAX_NAME_LENGTH = 50_000
MAX_STRING_LENGTH = 20_000_000

# Python's parser does not check lone surrogates, long numbers and deep nesting. A text with one of these has one of
# these signs, and nearly no text does.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DIGITS = re.compile(r"(?<![0-9])[0-9]{300}")
_FEW_BRACKETS = 100

_BLANK = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LITERALS = {"true": True, "false": False, "null": None}


class Number(str):
    """The text of a number with a fraction or an exponent.

    Another type would lose digits.
    """

    __slots__ = ()


def parse(text: str) -> Any:
    """Returns the value of a JSON text; numbers are ``int`` or ``Number``.

    Args:
        text: as decoded from strict UTF-8, so without surrogates.

    Raises:
        ValueError: the engine rejects the text: trailing text, NaN, a name twice in an object, a lone surrogate,
            nesting deeper than 999, or numbers, names and strings beyond its limits.
    """
    if (
        len(text) <= MAX_NAME_LENGTH
        and text.count("[") + text.count("{") < _FEW_BRACKETS
        and not ("\\u" in text and _SURROGATE.search(text))
        and not (len(text) > MAX_NUMBER_DIGITS and _DIGITS.search(text))
    ):
        return _DECODER.decode(text)
    return Parser(text).parse()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice in an object")
    return members


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_reject, parse_float=Number)


class Parser:
    """Parses without recursion, so that the depth limit does not depend on the stack."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> Any:
        """Returns the value; raises ValueError as the function ``parse`` does."""
        open_: list[list[Any] | dict[str, Any]] = []
        names: list[str] = []  # of the member that each open object waits for
        while True:
            value, opened = self._value()
            if opened:
                open_.append(value)
                if len(open_) > MAX_DEPTH:
                    raise ValueError("nested too deep")
                if not self._take("]" if isinstance(value, list) else "}"):
                    if isinstance(value, dict):
                        names.append(self._name(value))
                    continue
                open_.pop()
            # The value is complete: add it to its container, and close the containers that end here.
            while open_:
                parent = open_[-1]
                if isinstance(parent, list):
                    parent.append(value)
                else:
                    parent[names.pop()] = value
                if self._take(","):
                    if isinstance(parent, dict):
                        names.append(self._name(parent))
                    break
                if not self._take("]" if isinstance(parent, list) else "}"):
                    raise ValueError("a comma or an end is missing")
                value = open_.pop()
            else:
                self._skip_blank()
                if self._at != len(self._text):
                    raise ValueError("text follows the value")
                return value

    def _value(self) -> tuple[Any, bool]:
        """Returns the value that starts here, and whether it opens a container."""
        if self._take("{"):
            return {}, True
        if self._take("["):
            return [], True
        if self._text.startswith('"', self._at):
            return self._string(MAX_STRING_LENGTH), False
        if number := _NUMBER.match(self._text, self._at):
            self._at = number.end()
            return _number(number), False
        for word, value in _LITERALS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value, False
        raise ValueError("no value")

    def _name(self, members: dict[str, Any]) -> str:
        self._skip_blank()
        name = self._string(MAX_NAME_LENGTH)
        if name in members or not self._take(":"):
            raise ValueError("a name occurs twice in an object, or has no value")
        return name

    def _string(self, longest: int) -> str:
        if not self._text.startswith('"', self._at):
            raise ValueError("no string")
        string: str
        string, self._at = _DECODER.raw_decode(self._text, self._at)
        if len(string.encode("utf-16-le")) > 2 * longest:  # raises ValueError for a lone surrogate
            raise ValueError("string too long")
        return string

    def _skip_blank(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at

    def _take(self, sign: str) -> bool:
        self._skip_blank()
        is_there = self._text.startswith(sign, self._at)
        self._at += is_there
        return is_there


def _number(match: re.Match[str]) -> int | Number:
    digits = sum(character.isdigit() for character in match[0])
    # Measured: the parser does not count a leading zero, unless both a fraction and an exponent follow.
    uncounted = match[1] == "0" and not (match[2] and match[3])
    if digits - uncounted > MAX_NUMBER_DIGITS:
        raise ValueError("number too long")
    return Number(match[0]) if match[2] or match[3] else int(match[0])
