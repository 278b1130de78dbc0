"""Reads Avro values: each with the schema in its header, and to its last byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.avro_source import AvroSource
from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.control_record import CONTROL_KEY
from tandem.engine.declare.field_name import quoted
from tandem.engine.declare.stream import DeadLetterError, Stream
from tandem.engine.declare.wire_format import prefix_of
from tandem.engine.read.avro_values import field_reason, field_value, is_sound
from tandem.engine.read.json_format import is_no_control, parse_json
from tandem.engine.read.value_format import Rule, unknown_id, unless_prefixed

_END_BYTES = 16


class AvroFormat:
    """Reads Avro records after a header that names their schema.

    Any of the stream's schemas may have written them.

    Args:
        stream: the declaration of the events.
        avro: the stream's schemas.

    Raises:
        ValueError: two schemas have the same fingerprint.
    """

    def __init__(self, stream: Stream, avro: Avro) -> None:
        self._stream, self._avro = stream, avro
        self._headers = {version.number: _header_of(version, avro) for version in avro.versions}
        if len(set(self._headers.values())) < len(self._headers):
            raise ValueError(f"two schemas of {avro.subject} have the same fingerprint")
        self._sources = {version.number: avro.sources(version, stream.fields) for version in avro.versions}

    def columns(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.columns``."""
        framed = F.concat(F.substring("value", self._avro.header.length + 1, 2**31 - 1), _end())
        read = {
            f"_avro_{version.number}": F.when(
                self._is_by(version.number),
                from_avro(framed, json.dumps(_framed(version)), {"mode": "PERMISSIVE"}),
            )
            for version in self._avro.versions
        }
        return ({"_json": F.when(F.col("key") == F.lit(CONTROL_KEY), parse_json(F.col("value"))), **read},)

    def field(self, name: str) -> Column:
        """See ``ValueFormat.field``."""
        return self._by_version(lambda sources, record: field_value(sources[name], record))

    def checks(self) -> Sequence[Column]:
        """See ``ValueFormat.checks``."""
        return [self._is_whole(), is_no_control(), *map(self._is_sound, self._stream.fields)]

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.stages``."""
        return self.columns()

    def value_rules(self) -> Sequence[Rule]:
        """See ``ValueFormat.value_rules``."""
        header, subject = self._avro.header, self._avro.subject
        no_header = (F.length("value") < header.length) | (F.substring("value", 1, len(header.mark)) != header.mark)
        error, why = DeadLetterError.NOT_AVRO, "the value is not one Avro record of its schema"
        missing: str | Column = f"the value has no header of {header.encoding}"
        unknown: str | Column = f"the header names none of the schemas of {subject}"
        if self._avro.is_registered:
            unknown = unknown_id(subject)
        else:
            missing = unless_prefixed(f"the value has no header of {header.encoding}", wanted=header.encoding)
        return [
            (no_header, error, missing),
            (~self._header().isin(*self._headers.values()), DeadLetterError.UNKNOWN_SCHEMA, unknown),
            (~F.coalesce(self._is_whole(), F.lit(False)), error, why),
        ]

    def field_reason(self, name: str) -> Column:
        """See ``ValueFormat.field_reason``."""
        return self._by_version(lambda sources, record: field_reason(sources[name], record, F.lit(name)))

    def _is_sound(self, name: str) -> Column:
        value = F.col(quoted(f"_f_{name}"))
        if not any(source.kind.is_optional for source in (each[name] for each in self._sources.values())):
            return value.isNotNull()
        return self._by_version(lambda sources, record: is_sound(sources[name], value, record))

    def _by_version(self, use: Callable[[Mapping[str, AvroSource], Column], Column]) -> Column:
        """Returns a column for each record, given its schema's sources and the record."""
        (first, *others) = self._sources.items()
        chosen = F.when(self._is_by(first[0]), use(first[1], _record(first[0])))
        for number, sources in others:
            chosen = chosen.when(self._is_by(number), use(sources, _record(number)))
        return chosen

    def _header(self) -> Column:
        return F.substring("value", 1, self._avro.header.length)

    def _is_by(self, number: int) -> Column:
        """Returns whether a record's header names this schema."""
        return self._header() == F.lit(self._headers[number])

    def _is_whole(self) -> Column:
        """Returns whether the value is one record of its schema, without trailing bytes."""
        return reduce(Column.__or__, (_equal(f"_avro_{number}.end") for number in self._headers))


def _record(number: int) -> Column:
    return F.col(f"_avro_{number}.value")


def _end() -> Column:
    """Returns a marker to append to a record: 16 digits of its hash.

    Spark reads a record and ignores trailing bytes. The marker is read as one more field after the record. It is intact
    only if no bytes stand between.
    """
    return F.lpad(F.hex(F.xxhash64("value")), _END_BYTES, "0").cast("binary")


def _equal(end: str) -> Column:
    return F.coalesce(F.col(end) == _end(), F.lit(False))


def _framed(version: Version) -> dict[str, Any]:
    """Returns the schema of a record and the marker after it.

    It has no logical types, because one might reject the value of an undeclared field.
    """
    end = {"type": "fixed", "name": "tandem_end", "size": _END_BYTES}
    fields = [{"name": "value", "type": version.canonical}, {"name": "end", "type": end}]
    return {"type": "record", "name": "tandem_framed", "fields": fields}


def _header_of(version: Version, avro: Avro) -> bytes:
    if version.schema_id is not None:
        return prefix_of(version.schema_id)
    return avro.header.mark + _fingerprint(version)


def _fingerprint(version: Version) -> bytes:
    """Returns a schema's fingerprint as Spark's own Avro computes it."""
    avro: Any = SparkSession.active()._jvm.org.apache.avro  # type: ignore[union-attr]
    # Without its defaults, which Java would check.
    schema = getattr(avro, "Schema$Parser")().parse(json.dumps(version.canonical))
    number: int = avro.SchemaNormalization.parsingFingerprint64(schema)
    return number.to_bytes(8, "little", signed=True)
