"""Reads Avro's binary encoding as strictly as the engine's parser.

Python's libraries accept numbers of any length and texts of negative length. When they skip fields, they also accept
incomplete records.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from tandem.engine.declare.avro_schema import MAX_ITEMS, MAX_LENGTH

# Takes the bytes and an offset; returns the value and the offset behind it. A text stays bytes, because only the
# texts that are used must be UTF-8.
_Read = Callable[[bytes, int], tuple[Any, int]]
_64_BITS, _32_BITS = 2**64 - 1, 2**32 - 1
_TRUE = 1


def decoder(schema: Any) -> Callable[[bytes], Any]:
    """Returns a function that decodes one value.

    It raises ValueError for any other bytes.

    Args:
        schema: as ``fastavro.parse_schema`` gives it, with full names.
    """
    read = _compiled(schema, {})

    def decode(data: bytes) -> Any:
        try:
            value, end = read(data, 0)
        except (IndexError, struct.error):
            raise ValueError("the value is incomplete") from None
        if end != len(data):
            raise ValueError("bytes follow the value")
        return value

    return decode


def _compiled(schema: Any, named: dict[str, _Read]) -> _Read:
    if isinstance(schema, list):
        return _one_of([_compiled(each, named) for each in schema])
    if isinstance(schema, str):
        return _PRIMITIVE[schema] if schema in _PRIMITIVE else named[schema]
    kind = schema["type"]
    if kind == "array":
        return _many(_compiled(schema["items"], named), list)
    if kind == "map":
        return _many(_pair(_compiled(schema["values"], named)), dict)
    if kind not in ("record", "enum", "fixed"):
        return _compiled(kind, named)
    if kind == "record":
        read = _record({each["name"]: _compiled(each["type"], named) for each in schema["fields"]})
    else:
        read = _symbol(schema["symbols"]) if kind == "enum" else _of_length(schema["size"])
    named[schema["name"]] = read
    return read


def _varint(data: bytes, at: int, most: int) -> tuple[int, int]:
    number = shift = 0
    for place in range(at, at + most):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place + 1
        shift += 7
    raise ValueError("a number is too long")


def _long(data: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(data, at, 10)
    number &= _64_BITS
    return (number >> 1) ^ -(number & 1), at


def _int(data: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(data, at, 5)
    number &= _32_BITS
    return (number >> 1) ^ -(number & 1), at


def _null(_: bytes, at: int) -> tuple[None, int]:
    return None, at


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    return data[at] == _TRUE, at + 1


def _number(form: str) -> _Read:
    packed = struct.Struct(form)
    return lambda data, at: (packed.unpack_from(data, at)[0], at + packed.size)


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _long(data, at)
    if not 0 <= length <= MAX_LENGTH:
        raise ValueError("a text has an invalid length")
    return _cut(data, at, length)


def _cut(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    end = at + length
    if end > len(data):
        raise IndexError
    return data[at:end], end


def _of_length(length: int) -> _Read:
    return lambda data, at: _cut(data, at, length)


def _symbol(symbols: list[str]) -> _Read:
    def read(data: bytes, at: int) -> tuple[str, int]:
        number, at = _int(data, at)
        return symbols[_within(number, symbols)], at

    return read


def _one_of(branches: list[_Read]) -> _Read:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        number, at = _int(data, at)
        return branches[_within(number, branches)](data, at)

    return read


def _within(number: int, choices: list[Any]) -> int:
    if not 0 <= number < len(choices):
        raise ValueError("the index is out of range")
    return number


def _record(fields: Mapping[str, _Read]) -> _Read:
    parts = tuple(fields.items())

    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        record = {}
        for name, part in parts:
            record[name], at = part(data, at)
        return record, at

    return read


def _pair(value: _Read) -> _Read:
    def read(data: bytes, at: int) -> tuple[tuple[bytes, Any], int]:
        key, at = _bytes(data, at)
        item, at = value(data, at)
        return (key, item), at

    return read


def _many(item: _Read, into: Callable[[list[Any]], Any]) -> _Read:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        values: list[Any] = []
        while True:
            count, at = _long(data, at)
            if count < 0:  # the block's size in bytes follows, for readers that skip it
                count, (_, at) = -count, _long(data, at)
            if count == 0:
                return into(values), at
            if len(values) + count > MAX_ITEMS:
                raise ValueError("too many items")
            for _ in range(count):
                each, at = item(data, at)
                values.append(each)

    return read


_PRIMITIVE: dict[str, _Read] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "float": _number("<f"),
    "double": _number("<d"),
    "bytes": _bytes,
    "string": _bytes,
}
