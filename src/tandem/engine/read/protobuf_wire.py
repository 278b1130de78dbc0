"""Reads Protobuf's binary encoding, to its last byte.

It needs the standard library alone. It knows the fields that a stream needs. Other fields are skipped: only their
length is checked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5
# The most bytes of a number, and of a tag or a length.
_NUMBER, _SHORT = 10, 5
_64_BITS, _LARGEST_TAG = 2**64 - 1, 2**32 - 1

# The content of a message: by number, a number as it is encoded, bytes, a message, or a list of these.
Content = dict[int, Any]
# Takes the bytes, an offset and a message; adds a field's value and returns the offset behind it.
_Take = Callable[[bytes, int, Content], int]
# The same for all fields up to an end.
_Fill = Callable[[bytes, int, int, Content], None]
# Takes the bytes and an offset; returns a value and the offset behind it.
_One = Callable[[bytes, int], tuple[Any, int]]


class MalformedError(Exception):
    """The bytes are not a message of the schema."""


@dataclass(frozen=True)
class Slot:
    """How a field is encoded.

    Attributes:
        wire: its wire type.
        form: the format of a fixed number for ``struct``.
        is_repeated: whether all its values are kept.
        inner: the fields of a message; None if it is none.
        siblings: the numbers of the other members of its ``oneof``: only the last member on the wire has a value.
        is_dropped: whether it is there for its siblings only.
    """

    wire: int
    form: str = ""
    is_repeated: bool = False
    inner: Shape | None = None
    siblings: tuple[int, ...] = ()
    is_dropped: bool = False


Shape = Mapping[int, Slot]


def decoder(shape: Shape) -> Callable[[bytes, int], Content]:
    """Returns a function that reads a message from an offset to the end of the bytes.

    Of a field that occurs several times, it returns the last value. Messages are merged. It raises ``MalformedError``
    for a truncated field, a known field of another wire type, and a group.
    """
    fill = _message(shape)

    def decode(data: bytes, at: int) -> Content:
        found: Content = {}
        try:
            fill(data, at, len(data), found)
        except (IndexError, struct.error):
            raise MalformedError from None
        return found

    return decode


def _message(shape: Shape) -> _Fill:
    takes: dict[int, _Take] = {}
    for number, slot in shape.items():
        takes[number << 3 | slot.wire] = _alone(_take(number, slot), number, slot)
        if slot.is_repeated and slot.wire != LENGTH:
            takes[number << 3 | LENGTH] = _packed(number, _one(slot))

    def fill(data: bytes, at: int, end: int, into: Content) -> None:
        while at < end:
            tag = data[at]
            if tag < 0x80:
                at += 1
            else:
                tag, at = _varint(data, at, _SHORT)
            take = takes.get(tag)
            if take is not None:
                at = take(data, at, into)
            elif tag >> 3 in shape or not 8 <= tag <= _LARGEST_TAG:
                raise MalformedError
            else:
                at = _skip(data, at, tag & 7)
        if at != end:
            raise MalformedError

    return fill


def _varint(data: bytes, at: int, most: int = _NUMBER) -> tuple[int, int]:
    number = shift = 0
    for place in range(at, at + most):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _64_BITS, place + 1
        shift += 7
    raise MalformedError


def _cut(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _varint(data, at, _SHORT)
    # An end behind the message's own end is found there.
    return data[at : at + length], at + length


def _fixed(form: str) -> _One:
    packed = struct.Struct(form)
    return lambda data, at: (packed.unpack_from(data, at)[0], at + packed.size)


def _one(slot: Slot) -> _One:
    if slot.wire == VARINT:
        return _varint
    return _cut if slot.wire == LENGTH else _fixed(slot.form)


def _take(number: int, slot: Slot) -> _Take:
    if slot.inner is not None:
        return _inside(number, _message(slot.inner), is_repeated=slot.is_repeated)
    one = _one(slot)

    def last(data: bytes, at: int, into: Content) -> int:
        into[number], at = one(data, at)
        return at

    def every(data: bytes, at: int, into: Content) -> int:
        value, at = one(data, at)
        into.setdefault(number, []).append(value)
        return at

    return every if slot.is_repeated else last


def _inside(number: int, fill: _Fill, *, is_repeated: bool) -> _Take:
    def take(data: bytes, at: int, into: Content) -> int:
        length, at = _varint(data, at, _SHORT)
        end = at + length
        if is_repeated:
            inner: Content = {}
            into.setdefault(number, []).append(inner)
        else:
            inner = into.setdefault(number, {})
        fill(data, at, end, inner)
        return end

    return take


def _packed(number: int, one: _One) -> _Take:
    def take(data: bytes, at: int, into: Content) -> int:
        length, at = _varint(data, at, _SHORT)
        end = at + length
        values = into.setdefault(number, [])
        while at < end:
            value, at = one(data, at)
            values.append(value)
        if at != end:
            raise MalformedError
        return end

    return take


def _alone(take: _Take, number: int, slot: Slot) -> _Take:
    """Returns a function that removes the other members of a ``oneof``, too."""
    if not slot.siblings:
        return take
    removed = (*slot.siblings, number) if slot.is_dropped else slot.siblings

    def alone(data: bytes, at: int, into: Content) -> int:
        at = take(data, at, into)
        for each in removed:
            into.pop(each, None)
        return at

    return alone


def _skip(data: bytes, at: int, wire: int) -> int:
    if wire == VARINT:
        return _varint(data, at)[1]
    if wire == LENGTH:
        return _cut(data, at)[1]
    if wire in (FIXED_32, FIXED_64):
        return at + (4 if wire == FIXED_32 else 8)
    raise MalformedError
