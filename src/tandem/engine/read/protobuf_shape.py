"""Says how the declared fields of Protobuf messages are encoded."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.engine.declare.kind import Array, Map, Record
from tandem.engine.declare.protobuf_descriptor import Field
from tandem.engine.declare.protobuf_resolution import ProtobufSource
from tandem.engine.declare.protobuf_types import DATE, DECIMAL, TIMESTAMP, WRAPPERS
from tandem.engine.read.protobuf_wire import FIXED_32, FIXED_64, LENGTH, VARINT, Shape, Slot

# The wire type of a type and the format of a fixed number; those of others are VARINT and none.
_WIRES = {
    "double": (FIXED_64, "<d"),
    "float": (FIXED_32, "<f"),
    "fixed64": (FIXED_64, "<Q"),
    "sfixed64": (FIXED_64, "<q"),
    "fixed32": (FIXED_32, "<I"),
    "sfixed32": (FIXED_32, "<i"),
    "string": (LENGTH, ""),
    "bytes": (LENGTH, ""),
    "message": (LENGTH, ""),
}
_NUMBER, _BYTES = Slot(VARINT), Slot(LENGTH)
# The fields of messages that are read as one value.
_KNOWN: Mapping[str, Shape] = {
    TIMESTAMP: {1: _NUMBER, 2: _NUMBER},
    DATE: {1: _NUMBER, 2: _NUMBER, 3: _NUMBER},
    DECIMAL: {1: _BYTES, 3: _NUMBER},
}


def shape_of(sources: Mapping[str, ProtobufSource]) -> Shape:
    """Returns how the fields of these sources are encoded."""
    found: dict[int, Slot] = {}
    known = [(source, source.field) for source in sources.values() if source.field is not None]
    for source, field in known:
        for each in source.siblings:
            found[each.number] = _slot(each, siblings=_others(each, field, source), is_dropped=True)
    for source, field in known:
        if source.is_readable:
            found[field.number] = _slot(field, _inside(source, field), _others(field, field, source))
    return found


def _others(one: Field, field: Field, source: ProtobufSource) -> tuple[int, ...]:
    """Returns the numbers of the other members of a ``oneof``."""
    return tuple(each.number for each in (field, *source.siblings) if each.number != one.number)


def _inside(source: ProtobufSource, field: Field) -> Shape | None:
    """Returns how the content of a message is encoded; None if it is none."""
    inner = source.inner
    match source.kind:
        case Record():
            return shape_of(source.fields)
        case Array() | Map() if inner is not None and inner.field is not None:
            inside = _inside(inner, inner.field)
            return inside if isinstance(source.kind, Array) else {1: _BYTES, 2: _slot(inner.field, inside)}
    if field.type_name in WRAPPERS:
        wire, form = _WIRES.get(WRAPPERS[field.type_name], (VARINT, ""))
        return {1: Slot(wire, form)}
    return _KNOWN.get(field.type_name)


def _slot(
    field: Field, inner: Shape | None = None, siblings: tuple[int, ...] = (), *, is_dropped: bool = False
) -> Slot:
    wire, form = _WIRES.get(field.type, (VARINT, ""))
    return Slot(wire, form, field.is_repeated, inner, siblings, is_dropped)
