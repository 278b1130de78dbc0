"""Says where a declared field is in the records of an Avro schema, without Spark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tandem.engine.declare.avro_types import MICROS
from tandem.engine.declare.kind import Kind


class SourceProblem(Enum):
    """Why a declared field cannot be read from the records of a schema."""

    UNKNOWN = "the newest schema does not have the field"
    MISSING = "the schema does not have the field, which is required and has no valid default"
    WRONG_TYPE = "the field has another type in the schema"


@dataclass(frozen=True)
class AvroSource:
    """Where a declared field's value is in the records of a schema.

    Attributes:
        kind: the declared type.
        name: the name of the record's field; empty for an item of an array and for a value of a map.
        reading: how the value is read; None if the records do not have it.
        default: the value in the form of an event's field, if the records do not have it.
        problem: why there is neither; None if there is one of them.
    """

    kind: Kind
    name: str = ""
    reading: AvroReading | None = None
    default: Any = None
    problem: SourceProblem | None = None


@dataclass(frozen=True)
class AvroReading:
    """How a value of a declared type is read from a value of an Avro type.

    Attributes:
        kind: the declared type.
        avro: the Avro type, without null.
        fields: the sources of a record's fields.
        inner: the source of an array's items, or of a map's values.
    """

    kind: Kind
    avro: Mapping[str, Any]
    fields: Mapping[str, AvroSource] = field(default_factory=dict)
    inner: AvroSource | None = None

    @property
    def micros(self) -> int:
        """The length of a time's unit in microseconds."""
        return MICROS[self.avro["logicalType"]]


def problems(found: Mapping[str, AvroSource], outer: str = "") -> Iterator[tuple[str, AvroSource]]:
    """Yields the paths and the sources of the fields that cannot be read."""
    for name, source in found.items():
        path = outer + name
        if source.problem is not None:
            yield path, source
        elif source.reading is not None:
            yield from problems(source.reading.fields, f"{path}.")
            if source.reading.inner is not None:
                yield from problems({"[]": source.reading.inner}, path)
