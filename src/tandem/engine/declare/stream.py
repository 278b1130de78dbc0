"""Declares what a stream's records look like; the engine and the oracle both validate by it.

Pure data without Spark, so that producers and ``tandem verify`` can use it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.field_name import Path, find, folded
from tandem.engine.declare.kind import (
    Array,
    Boolean,
    Date,
    Decimal,
    Integer,
    Kind,
    Map,
    Record,
    String,
    Timestamp,
    check_fields,
)
from tandem.engine.declare.kind import Enum as EnumType

# The capped collection in which the job tells what it does.
PROGRESS_COLLECTION = "tandem_progress"
# What reconcile told, one document for each run in the cloud.
RECONCILIATION_COLLECTION = "tandem_reconciliations"
# Documents that reconcile found to be overtaken and that the job may still come to write.
SUPERSEDED_COLLECTION = "tandem_superseded"
# The file in a checkpoint with the settings that it was begun with.
RECORD_FILE = "tandem-settings.json"

# A control record moves a quiet topic's watermark. It is recognised by this key together with the field.
CONTROL_KEY = "__tandem_control__"
CONTROL_FIELD = "tandem_control"
CONTROL_TIME_FIELD = "event_time"

# Serializers that use a schema registry put before each record a zero byte and the schema's id, in four bytes.
REGISTRY_MAGIC = b"\x00"
REGISTRY_BYTES = 5
# The detail of such a dead letter begins so.
REGISTRY_PREFIX = "the bytes look like a schema registry's five-byte prefix (magic 0, schema id %d)"


class DeadLetterError(StrEnum):
    """The ``error`` header of a dead letter: why a record could not be accepted, checked in this order."""

    EMPTY_VALUE = "empty_value"  # no value (a tombstone) or zero bytes
    NOT_UTF8 = "not_utf8"  # in Avro: a declared field, checked before whether it is empty
    NOT_JSON = "not_json"  # truncated, trailing bytes, duplicate keys, nested deeper than 999, lone surrogates
    NOT_OBJECT = "not_object"
    NOT_AVRO = "not_avro"  # without the header, truncated, trailing bytes, not what the schema says
    UNKNOWN_SCHEMA = "unknown_schema"  # the header names none of the stream's schemas
    MISSING_FIELD = "missing_field"
    NULL_FIELD = "null_field"
    WRONG_TYPE = "wrong_type"
    EMPTY_FIELD = "empty_field"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"  # event time too far after the record's Kafka timestamp


class RecordPart(Enum):
    """A part of a Kafka record besides its value."""

    KEY = "key"
    TIMESTAMP = "timestamp"


# The columns of a stream's rows that its fields do not have; see ``Stream``.
EVENT_TIME, IDENTITY = "event_time", "identity"
# MongoDB takes documents of a hundred levels; a transform may nest a record into others.
_MAX_DEPTH = 50
# The types whose values have one text, which ``_id``s are made of.
_IDENTIFIES = (String, Integer, Boolean, Decimal, Date, EnumType)


@dataclass(frozen=True)
class Stream:
    """Declares one topic's records.

    A field of a nested record is named by its path, such as ``after.id``. Its rows have the declared fields. Where the
    event time is not one of them, but nested or the record's, they also have a column ``event_time``. Where the
    identity is not one of them, but nested, several or the record's key, they have a column ``identity``: a string,
    which of several fields is their ``document_id``.

    Attributes:
        name: what the pipeline calls the stream; the name of its argument of ``transform``.
        topic: the Kafka topic.
        fields: the fields in the order in which they are checked. Other fields are ignored.
        event_time: the field of type timestamp that carries the event time; ``RecordPart.TIMESTAMP`` for the record's.
        identity: the field that identifies an event, or several that do so together; a second record with the same
            identity is a repeat. ``RecordPart.KEY`` for the record's key, which must be a text of at least one
            character.
        format: the schemas, where values are Avro; None where they are JSON.

    Raises:
        ValueError: Spark or MongoDB cannot have such fields; or the event time or the identity is none of them, may be
            absent, or has a type that does not do.
    """

    name: str
    topic: str
    fields: Mapping[str, Kind]
    event_time: str | Literal[RecordPart.TIMESTAMP]
    identity: str | tuple[str, ...] | Literal[RecordPart.KEY]
    format: Avro | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        try:
            check_fields(self.fields)
        except ValueError as error:
            raise ValueError(f"stream {self.name}: {error}") from None
        if max(map(_depth, self.fields.values())) > _MAX_DEPTH:
            raise ValueError(f"stream {self.name}: fields are nested deeper than {_MAX_DEPTH}")
        added = [EVENT_TIME] if len(self.event_time_path or ()) != 1 else []
        added += [IDENTITY] if [len(path) for path in self.identity_paths or ()] != [1] else []
        for column in added:
            if column in map(folded, self.fields):
                raise ValueError(f"stream {self.name}: a field is named like the column {column} that is added")
        if self.format is not None:
            self.format.check(self.fields)

    @cached_property
    def event_time_path(self) -> Path | None:
        """The names that lead to the event time; None for the record's timestamp."""
        if self.event_time is RecordPart.TIMESTAMP:
            return None
        found = find(self.fields, self.event_time) if isinstance(self.event_time, str) else None
        if found is None or not isinstance(found[1], Timestamp):
            raise ValueError(
                f"stream {self.name}: event_time {self.event_time!r} is not a declared timestamp field that every "
                "record has; name one, or use RecordPart.TIMESTAMP"
            )
        return found[0]

    @cached_property
    def identity_paths(self) -> tuple[Path, ...] | None:
        """The names that lead to each field of the identity; None for the record's key."""
        if self.identity is RecordPart.KEY:
            return None
        paths = []
        for each in self.identity if isinstance(self.identity, tuple | list) else (self.identity,):
            found = find(self.fields, each) if isinstance(each, str) else None
            if found is None or not isinstance(found[1], _IDENTIFIES):
                raise ValueError(
                    f"stream {self.name}: identity {each!r} is not a declared field that every record has, of type "
                    "string, integer, boolean, decimal, date or enum; name one, or use RecordPart.KEY"
                )
            paths.append(found[0])
        if not paths:
            raise ValueError(f"stream {self.name}: the identity names no field")
        return tuple(paths)

    @cached_property
    def time_column(self) -> str:
        """The column of the rows with the event time."""
        path = self.event_time_path
        return path[0] if path is not None and len(path) == 1 else EVENT_TIME

    @cached_property
    def identity_column(self) -> str:
        """The column of the rows with the identity."""
        paths = self.identity_paths
        return paths[0][0] if paths is not None and len(paths) == 1 and len(paths[0]) == 1 else IDENTITY


def _depth(kind: Kind) -> int:
    """Returns how many levels of documents a field of this type has, 0 for a value."""
    match kind:
        case Record():
            return 1 + max(map(_depth, kind.fields.values()))
        case Array():
            return 1 + _depth(kind.items)
        case Map():
            return 1 + _depth(kind.values)
        case _:
            return 0
