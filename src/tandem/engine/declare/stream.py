"""Declares the records of a stream, without Spark.

The engine and the oracle both validate by it.
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
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.wire_format import JsonSchema

# The job lets few records of a topic wait for more, while it may read those of other topics; but only this long.
MOST_DELAY_MS = 1_000

# The capped collection of the job's progress reports.
PROGRESS_COLLECTION = "tandem_progress"
# The newest report of each job. Others cannot evict it.
JOB_COLLECTION = "tandem_jobs"
# The reports' field with the number of the query's operators that keep state; None before the first batch.
STATE_OPERATORS = "state_operators"
# The reports of reconcile and replay, one document for each run in the cloud.
BATCH_COLLECTION = "tandem_batches"
# The ranges and the progress of replays, one document for each set of collections that they write.
REPLAY_COLLECTION = "tandem_replays"
# Notes about superseded documents that the job may still write.
SUPERSEDED_COLLECTION = "tandem_superseded"
# The file in a checkpoint with the settings of its first start.
RECORD_FILE = "tandem-settings.json"

# The beginning of a dead letter's detail if the value has an undeclared prefix; see ``wire_format``.
REGISTRY_PREFIX = "the bytes look like a schema registry's five-byte prefix (magic 0, schema id %d)"


class DeadLetterError(StrEnum):
    """The ``error`` header of a dead letter, in the order of the checks."""

    EMPTY_VALUE = "empty_value"  # no value (a tombstone) or zero bytes
    NOT_UTF8 = "not_utf8"  # in Avro and Protobuf: a declared field; checked before EMPTY_FIELD
    NOT_JSON = (
        "not_json"  # no prefix, truncated, trailing bytes, duplicate keys, nested deeper than 999, lone surrogates
    )
    NOT_OBJECT = "not_object"
    NOT_AVRO = "not_avro"  # no header, truncated, trailing bytes, or not as in the schema
    NOT_PROTOBUF = "not_protobuf"  # no prefix, another message, truncated, or not as in the schema
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


# The columns that a stream's rows may have besides its fields; see ``Stream``.
EVENT_TIME, IDENTITY = "event_time", "identity"
# The place of the record's key among the paths of an identity.
_KEY_PATH: Path = ()
# MongoDB accepts documents with a hundred levels; a transform may nest a record into others.
_MAX_DEPTH = 50
# The types whose values have exactly one text, so that an ``_id`` can be made of them.
_IDENTIFIES = (String, Integer, Boolean, Decimal, Date, EnumType)


@dataclass(frozen=True)
class Stream:
    """Declares one topic's records.

    A field of a nested record is named by its path, such as ``after.id``. The rows of a stream have its declared
    fields. If the event time is nested or the record's timestamp, they also have a column ``event_time``. If the
    identity is nested, several fields or the record's key, they also have a column ``identity``: a string, and for
    several fields their ``document_id``.

    Attributes:
        name: the stream's name, and the name of its argument of ``transform``.
        topic: the Kafka topic.
        fields: the fields in the order of the checks. Other fields are ignored.
        event_time: the timestamp field with the event time; ``RecordPart.TIMESTAMP`` for the record's timestamp.
        identity: the field, or the fields, that identify an event; a second record with the same identity is a repeat.
            ``RecordPart.KEY``, alone or among the fields, is the record's key, which must be a non-empty text.
        format: the schemas of Avro values, or of JSON or Protobuf values in Confluent's wire format; None for plain
            JSON.
        ignores_tombstones: whether a record without a value is ignored. Otherwise it becomes a dead letter.
        external: whether the topic belongs to other programs. ``tandem destroy --data`` does not delete it then.

    Raises:
        ValueError: Spark or MongoDB does not accept a field; or the event time or the identity is undeclared, optional
            or of a wrong type.

    Examples:
        >>> changes = Stream(
        ...     name="changes",
        ...     topic="changes_v1",
        ...     fields={
        ...         "shop": FieldType.STRING,
        ...         "after": FieldType.record({"id": FieldType.INTEGER, "at": FieldType.EPOCH_MILLISECONDS}),
        ...     },
        ...     event_time="after.at",
        ...     identity=("shop", "after.id"),
        ... )
        >>> changes.time_column, changes.identity_column
        ('event_time', 'identity')
    """

    name: str
    topic: str
    fields: Mapping[str, Kind]
    event_time: str | Literal[RecordPart.TIMESTAMP]
    identity: str | tuple[str | Literal[RecordPart.KEY], ...] | Literal[RecordPart.KEY]
    format: Avro | JsonSchema | Protobuf | None = None
    external: bool = False
    ignores_tombstones: bool = False

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
                raise ValueError(f"stream {self.name}: a field has the name of the added column {column}; rename it")
        if isinstance(self.format, Avro | Protobuf):
            self.format.check(self.fields)

    @cached_property
    def event_time_path(self) -> Path | None:
        """The path of the event time; None for the record's timestamp."""
        if self.event_time is RecordPart.TIMESTAMP:
            return None
        found = find(self.fields, self.event_time) if isinstance(self.event_time, str) else None
        if found is None or not isinstance(found[1], Timestamp):
            raise ValueError(
                f"stream {self.name}: event_time {self.event_time!r} is not a declared, required timestamp field; "
                "name one, or use RecordPart.TIMESTAMP"
            )
        return found[0]

    @cached_property
    def identity_paths(self) -> tuple[Path, ...] | None:
        """The path of each part of the identity; the empty path for the record's key.

        None if the record's key alone is the identity.
        """
        if self.identity is RecordPart.KEY:
            return None
        paths: list[Path] = []
        for each in self.identity if isinstance(self.identity, tuple | list) else (self.identity,):
            if each is RecordPart.KEY:
                paths.append(_KEY_PATH)
                continue
            found = find(self.fields, each) if isinstance(each, str) else None
            if found is None or not isinstance(found[1], _IDENTIFIES):
                raise ValueError(
                    f"stream {self.name}: identity {each!r} is not a declared, required field of type string, "
                    "integer, boolean, decimal, date or enum; name one, or use RecordPart.KEY"
                )
            paths.append(found[0])
        if not paths:
            raise ValueError(f"stream {self.name}: the identity names no field")
        return tuple(paths)

    @property
    def needs_key(self) -> bool:
        """Whether the record's key is the identity, or a part of it."""
        return self.identity_paths is None or _KEY_PATH in self.identity_paths

    @cached_property
    def time_column(self) -> str:
        """The rows' column with the event time."""
        path = self.event_time_path
        return path[0] if path is not None and len(path) == 1 else EVENT_TIME

    @cached_property
    def identity_column(self) -> str:
        """The rows' column with the identity."""
        paths = self.identity_paths
        return paths[0][0] if paths is not None and len(paths) == 1 and len(paths[0]) == 1 else IDENTITY


def _depth(kind: Kind) -> int:
    """Returns the nesting depth of a type; 0 for a single value."""
    match kind:
        case Record():
            return 1 + max(map(_depth, kind.fields.values()))
        case Array():
            return 1 + _depth(kind.items)
        case Map():
            return 1 + _depth(kind.values)
        case _:
            return 0
