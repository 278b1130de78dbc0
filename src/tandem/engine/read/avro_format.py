"""Reads values that are Avro, each by the schema that it says it was written with, and to their end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, assert_never

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

from tandem.engine.declare.avro_schema import HEADER_BYTES, MARK, Avro, Source, Version
from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.stream import CONTROL_KEY, DeadLetterError, Stream
from tandem.engine.read.json_format import parse_json
from tandem.engine.read.value_format import Rule, unless_prefixed

# The times that ISO 8601 can write with four digits of a year, in microseconds since 1970.
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
_END_BYTES = 16


class AvroFormat:
    """Reads records in Avro's single-object encoding, written by any of the stream's schemas.

    Args:
        stream: what an event must look like.
        avro: its schemas.

    Raises:
        ValueError: two schemas have the same fingerprint.
    """

    def __init__(self, stream: Stream, avro: Avro) -> None:
        self._stream, self._avro = stream, avro
        self._headers = {version.number: MARK + _fingerprint(version) for version in avro.versions}
        if len(set(self._headers.values())) < len(self._headers):
            raise ValueError(f"two of {avro.subject}'s schemas are the same in bytes")
        self._sources = {
            name: {version.number: avro.source(version, name, kind) for version in avro.versions}
            for name, kind in stream.fields.items()
        }

    def columns(self) -> Mapping[str, Column]:
        """See ``ValueFormat.columns``."""
        framed = F.concat(F.substring("value", HEADER_BYTES + 1, 2**31 - 1), _end())
        read = {
            f"_avro_{version.number}": F.when(
                self._is_by(version.number),
                from_avro(framed, json.dumps(_framed(version)), {"mode": "PERMISSIVE"}),
            )
            for version in self._avro.versions
        }
        return {"_json": F.when(F.col("key") == F.lit(CONTROL_KEY.encode()), parse_json(F.col("value"))), **read}

    def field(self, name: str, kind: FieldType) -> Column:
        """See ``ValueFormat.field``."""
        match kind:
            case FieldType.STRING | FieldType.INTEGER:
                return self._raw(name, kind)
            case FieldType.TIMESTAMP:
                micros = self._raw(name, kind, in_micros=True)
                return F.when(micros.between(_FIRST, _LAST), F.timestamp_micros(micros))
            case _:
                assert_never(kind)

    def checks(self) -> Sequence[Column]:
        """See ``ValueFormat.checks``."""
        return [self._is_whole(), *(_is_sound(name, kind) for name, kind in self._stream.fields.items())]

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.stages``."""
        fields = self._stream.fields.items()
        return (
            self.columns(),
            {f"_v_{name}": self._raw(name, kind) for name, kind in fields}
            | {f"_f_{name}": self.field(name, kind) for name, kind in fields},
        )

    def value_rules(self) -> Sequence[Rule]:
        """See ``ValueFormat.value_rules``."""
        no_header = (F.length("value") < HEADER_BYTES) | (F.substring("value", 1, len(MARK)) != MARK)
        error, why = DeadLetterError.NOT_AVRO, "the value is not one Avro record of its schema"
        encoding = "Avro's single-object encoding"
        return [
            (no_header, error, unless_prefixed(f"the value has no header of {encoding}", wanted=encoding)),
            (
                ~_header().isin(*self._headers.values()),
                DeadLetterError.UNKNOWN_SCHEMA,
                f"written by none of {self._avro.subject}'s schemas",
            ),
            (~F.coalesce(self._is_whole(), F.lit(False)), error, why),
        ]

    def field_rules(self, name: str, kind: FieldType) -> Sequence[Rule]:
        """See ``ValueFormat.field_rules``."""
        raw, value = F.col(f"_v_{name}"), F.col(f"_f_{name}")
        unusable = [each for each in self._avro.versions if self._sources[name][each.number] is None]
        missing = [self._headers[each.number] for each in unusable if self._avro.lacks(each, name)]
        changed = [self._headers[each.number] for each in unusable if not self._avro.lacks(each, name)]
        rules: list[Rule] = [
            (_header().isin(*missing) if missing else F.lit(False), DeadLetterError.MISSING_FIELD, name),
            (
                _header().isin(*changed) if changed else F.lit(False),
                DeadLetterError.WRONG_TYPE,
                f"{name}: not of type {kind}",
            ),
            (raw.isNull(), DeadLetterError.NULL_FIELD, name),
        ]
        match kind:
            case FieldType.STRING:
                rules.append((~F.is_valid_utf8(raw), DeadLetterError.NOT_UTF8, name))
                rules.append((raw == "", DeadLetterError.EMPTY_FIELD, name))
            case FieldType.TIMESTAMP:
                rules.append((value.isNull(), DeadLetterError.BAD_TIME, name))
            case FieldType.INTEGER:
                pass
            case _:
                assert_never(kind)
        return rules

    def _is_by(self, number: int) -> Column:
        """Returns whether a record says that it was written by this schema."""
        return _header() == F.lit(self._headers[number])

    def _is_whole(self) -> Column:
        """Returns whether the value is one record of its schema, with nothing behind it."""
        return reduce(Column.__or__, (_equal(f"_avro_{number}.end") for number in self._headers))

    def _raw(self, name: str, kind: FieldType, *, in_micros: bool = False) -> Column:
        """Returns the value that stands in the record, or the default; null where neither is."""
        chosen: Column | None = None
        for number, source in self._sources[name].items():
            if source is not None:
                value = _value(number, source, kind, in_micros=in_micros)
                when = self._is_by(number)
                chosen = F.when(when, value) if chosen is None else chosen.when(when, value)
        if chosen is None:
            raise AssertionError("the newest schema has every declared field")
        return chosen


def _value(number: int, source: Source, kind: FieldType, *, in_micros: bool) -> Column:
    value = F.lit(source.default) if source.name is None else F.col(f"_avro_{number}.value.`{source.name}`")
    value = value.cast(_spark_type(kind))
    # Of a number so large nothing is left; it is no time in any case.
    return F.try_multiply(value, F.lit(source.micros)) if in_micros and source.micros > 1 else value


def _spark_type(kind: FieldType) -> str:
    match kind:
        case FieldType.STRING:
            return "string"
        case FieldType.INTEGER | FieldType.TIMESTAMP:
            return "bigint"
        case _:
            assert_never(kind)


def _is_sound(name: str, kind: FieldType) -> Column:
    value = F.col(f"_f_{name}")
    match kind:
        case FieldType.STRING:
            return (value != "") & F.is_valid_utf8(value)
        case FieldType.INTEGER | FieldType.TIMESTAMP:
            return value.isNotNull()
        case _:
            assert_never(kind)


def _header() -> Column:
    return F.substring("value", 1, HEADER_BYTES)


def _end() -> Column:
    """Returns what is put behind a record: 16 digits of its hash.

    Spark reads a record and ignores what follows. Read as a field behind the record, this is found whole only when
    nothing stands between.
    """
    return F.lpad(F.hex(F.xxhash64("value")), _END_BYTES, "0").cast("binary")


def _equal(end: str) -> Column:
    return F.coalesce(F.col(end) == _end(), F.lit(False))


def _framed(version: Version) -> dict[str, Any]:
    """Returns the schema of a record and the end behind it. Only what decides how bytes are read: a logical type might
    refuse a value that is none of our business."""
    end = {"type": "fixed", "name": "tandem_end", "size": _END_BYTES}
    fields = [{"name": "value", "type": version.canonical}, {"name": "end", "type": end}]
    return {"type": "record", "name": "tandem_framed", "fields": fields}


def _fingerprint(version: Version) -> bytes:
    """Returns what Spark's own Avro takes of a schema."""
    avro: Any = SparkSession.active()._jvm.org.apache.avro  # type: ignore[union-attr]
    schema = getattr(avro, "Schema$Parser")().parse(version.text)
    number: int = avro.SchemaNormalization.parsingFingerprint64(schema)
    return number.to_bytes(8, "little", signed=True)
