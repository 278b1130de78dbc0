"""Reads Avro values: each with the schema in its header, and to its last byte."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

from tandem.engine.declare.avro_schema import Avro, Source
from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.kind import FIRST_MICROS, LAST_MICROS, Kind, String, Timestamp
from tandem.engine.declare.stream import CONTROL_KEY, DeadLetterError, Stream
from tandem.engine.declare.wire_format import prefix_of
from tandem.engine.read.field_reasons import reason_of
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
        self._sources = {
            name: {version.number: avro.source(version, name, kind) for version in avro.versions}
            for name, kind in stream.fields.items()
        }

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
        return ({"_json": F.when(F.col("key") == F.lit(CONTROL_KEY.encode()), parse_json(F.col("value"))), **read},)

    def field(self, name: str, kind: Kind) -> Column:
        """See ``ValueFormat.field``."""
        if not isinstance(kind, Timestamp):
            return self._raw(name, kind)
        micros = self._raw(name, kind, in_micros=True)
        return F.when(micros.between(FIRST_MICROS, LAST_MICROS), F.timestamp_micros(micros))

    def checks(self) -> Sequence[Column]:
        """See ``ValueFormat.checks``."""
        return [
            self._is_whole(),
            is_no_control(),
            *(_is_sound(name, kind) for name, kind in self._stream.fields.items()),
        ]

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.stages``."""
        fields = self._stream.fields.items()
        return (
            *self.columns(),
            {f"_v_{name}": self._raw(name, kind) for name, kind in fields}
            | {f"_f_{name}": self.field(name, kind) for name, kind in fields},
        )

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

    def field_reason(self, name: str, kind: Kind) -> Column:
        """See ``ValueFormat.field_reason``."""
        raw, value = F.col(f"_v_{name}"), F.col(f"_f_{name}")
        unusable = [each for each in self._avro.versions if self._sources[name][each.number] is None]
        missing = [self._headers[each.number] for each in unusable if self._avro.lacks(each, name)]
        changed = [self._headers[each.number] for each in unusable if not self._avro.lacks(each, name)]
        found = F.when(
            self._header().isin(*missing) if missing else F.lit(False), reason_of(DeadLetterError.MISSING_FIELD, name)
        ).when(
            self._header().isin(*changed) if changed else F.lit(False),
            reason_of(DeadLetterError.WRONG_TYPE, f"{name}: not of type {kind}"),
        )
        found = found.when(raw.isNull(), reason_of(DeadLetterError.NULL_FIELD, name))
        if isinstance(kind, String):
            found = found.when(~F.is_valid_utf8(raw), reason_of(DeadLetterError.NOT_UTF8, name))
            return found.when(raw == "", reason_of(DeadLetterError.EMPTY_FIELD, name))
        return found.when(value.isNull(), reason_of(DeadLetterError.BAD_TIME, name))

    def _header(self) -> Column:
        return F.substring("value", 1, self._avro.header.length)

    def _is_by(self, number: int) -> Column:
        """Returns whether a record's header names this schema."""
        return self._header() == F.lit(self._headers[number])

    def _is_whole(self) -> Column:
        """Returns whether the value is one record of its schema, without trailing bytes."""
        return reduce(Column.__or__, (_equal(f"_avro_{number}.end") for number in self._headers))

    def _raw(self, name: str, kind: Kind, *, in_micros: bool = False) -> Column:
        """Returns the value in the record or the default; null if there is neither."""
        chosen: Column | None = None
        for number, source in self._sources[name].items():
            if source is not None:
                value = _value(number, source, kind, in_micros=in_micros)
                when = self._is_by(number)
                chosen = F.when(when, value) if chosen is None else chosen.when(when, value)
        if chosen is None:
            raise AssertionError("the newest schema has every declared field")
        return chosen


def _value(number: int, source: Source, kind: Kind, *, in_micros: bool) -> Column:
    value = F.lit(source.default) if source.name is None else F.col(f"_avro_{number}.value.`{source.name}`")
    value = value.cast("string" if isinstance(kind, String) else "bigint")
    # An overflow becomes null; such a number is not a valid time anyway.
    return F.try_multiply(value, F.lit(source.micros)) if in_micros and source.micros > 1 else value


def _is_sound(name: str, kind: Kind) -> Column:
    value = F.col(f"_f_{name}")
    return (value != "") & F.is_valid_utf8(value) if isinstance(kind, String) else value.isNotNull()


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
    schema = getattr(avro, "Schema$Parser")().parse(version.text)
    number: int = avro.SchemaNormalization.parsingFingerprint64(schema)
    return number.to_bytes(8, "little", signed=True)
