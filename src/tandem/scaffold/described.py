"""A source's description of a stream, alike for samples, schemas and topics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tandem.engine.declare.kind import Bytes, Kind
from tandem.scaffold.infer.observed import ObservedValues, Sample


@dataclass(frozen=True)
class FixedBytes(Bytes):
    """Bytes whose number a schema says."""

    size: int = 0


@dataclass(frozen=True)
class Described:
    """The records of one stream.

    Attributes:
        source: what the user called it, for messages.
        name: what the stream is to be called.
        fields: the declared fields.
        summary: how many records were looked at, and which.
        notes: what is not obvious in the declaration.
        samples: some records; empty for a schema.
        seen: what was seen of their fields; None for a schema.
        topic: the topic that has such records already; None where the pipeline gets one of its own.
        avro: the schema's text, of an Avro schema.
    """

    source: str
    name: str
    fields: Mapping[str, Kind]
    summary: str = ""
    notes: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    seen: ObservedValues | None = None
    topic: str | None = None
    avro: str | None = None
