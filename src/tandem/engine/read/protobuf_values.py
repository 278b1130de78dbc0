"""Converts Protobuf messages to declared types, and explains invalid ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

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
    TimeUnit,
)
from tandem.engine.declare.protobuf_descriptor import Field
from tandem.engine.declare.protobuf_resolution import ProtobufSource
from tandem.engine.declare.protobuf_types import WRAPPERS, scalar_of
from tandem.engine.declare.stream import DeadLetterError
from tandem.engine.read.protobuf_scalars import (
    NUMBERS,
    Read,
    Rejected,
    day_of,
    decimal_reader,
    default_of,
    double_reader,
    enum_reader,
    integer_reader,
    text_of,
    text_reader,
    time_at,
    time_of,
    wrong,
)
from tandem.engine.read.protobuf_wire import Content


def record_reader(sources: Mapping[str, ProtobufSource], mark: str = "") -> Callable[[Content], tuple[Any, ...]]:
    """Returns a function that reads the declared fields of a message, in their order.

    The function raises ``Rejected`` for the first invalid field.

    Args:
        sources: where the fields are.
        mark: the text before a name in a path; a dot inside another record.
    """
    parts = [(mark + name, _field_reader(source)) for name, source in sources.items()]

    def read(content: Content) -> tuple[Any, ...]:
        values = []
        for path, read_one in parts:
            try:
                values.append(read_one(content))
            except Rejected as rejected:
                raise rejected.inside(path) from None
        return tuple(values)

    return read


def _field_reader(source: ProtobufSource) -> Callable[[Content], Any]:
    field, kind = source.field, source.kind
    if field is None or not source.is_readable:
        return lambda _: wrong(kind)
    number, read, absent = field.number, _value_reader(source), _absent(source, field)

    def read_field(content: Content) -> Any:
        value = content.get(number)
        return absent() if value is None else read(value)

    return read_field


def _absent(source: ProtobufSource, field: Field) -> Callable[[], Any]:
    """Returns a function that returns the value of an absent field."""
    kind = source.kind
    if not field.has_presence:
        read, default = _value_reader(source), [] if field.is_repeated else default_of(field.type)
        return lambda: read(default)
    if not kind.is_optional:
        return _missing
    fallback = kind.fallback
    if isinstance(kind, Timestamp) and fallback is not None:
        fallback = time_at(fallback)
    return lambda: fallback


def _missing() -> None:
    raise Rejected(DeadLetterError.MISSING_FIELD)


def _value_reader(source: ProtobufSource) -> Read:
    """Returns a function that converts a value: for a repeated field, a list."""
    match source.kind:
        case Array():
            return _array_reader(_value_reader(_inner(source)))
        case Map():
            return _map_reader(source.kind, _inner(source))
        case Record():
            return record_reader(source.fields, ".")
    return _scalar_reader(source)


def _inner(source: ProtobufSource) -> ProtobufSource:
    if source.inner is None:
        raise AssertionError(f"{source.kind} has no items")
    return source.inner


def _field(source: ProtobufSource) -> Field:
    if source.field is None:
        raise AssertionError("the field is not in the schema")
    return source.field


def _scalar_reader(source: ProtobufSource) -> Read:
    field = _field(source)
    scalar = scalar_of(field)
    of_number, convert = NUMBERS.get(scalar), _converter(source)
    if field.type_name in WRAPPERS:
        default = default_of(scalar)
        if of_number is None:
            return lambda value: convert(value.get(1, default))
        return lambda value: convert(of_number(value.get(1, default)))
    return convert if of_number is None else lambda value: convert(of_number(value))


def _converter(source: ProtobufSource) -> Read:
    kind: Kind = source.kind
    match kind:
        case String():
            return text_reader(kind)
        case Enum():
            return enum_reader(kind, source.symbols)
        case Boolean() | Bytes():
            return _same
        case Integer():
            return integer_reader(kind)
        case Double():
            return double_reader(kind)
        case Decimal():
            return decimal_reader(kind)
        case Date():
            return day_of
        case Timestamp():
            unit = kind.unit.micros
            return time_of if kind.unit is TimeUnit.ISO_8601 else lambda number: time_at(number * unit)
        case Record() | Array() | Map():
            raise AssertionError(f"{kind} has parts")
        case _:
            assert_never(kind)


def _same(value: Any) -> Any:
    return value


def _array_reader(read: Read) -> Read:
    def read_all(values: Sequence[Any]) -> list[Any]:
        found = []
        for value in values:
            try:
                found.append(read(value))
            except Rejected as rejected:
                raise rejected.inside(f"[{len(found)}]") from None
        return found

    return read_all


def _map_reader(kind: Map, inner: ProtobufSource) -> Read:
    read = _value_reader(inner)
    default = default_of(_field(inner).type)

    def read_all(entries: Sequence[Content]) -> dict[str, Any]:
        # The last value of a key counts.
        last = {entry.get(1, b""): entry.get(2, default) for entry in entries}
        found: dict[str, Any] = {}
        reasons: list[Rejected] = []
        for key, value in last.items():
            try:
                name = text_of(key)
                if "\0" in name:  # not possible in the name of a MongoDB field
                    wrong(kind)
            except Rejected as rejected:
                reasons.append(rejected)
                name = ""
            try:
                found[name] = read(value)
            except Rejected as rejected:
                reasons.append(rejected.inside("[*]"))
        if reasons:
            # The reason must not depend on the order of the keys, so it is the least one, not the first.
            raise min(reasons, key=lambda each: (each.error, each.detail))
        return found

    return read_all
