"""Declares what a stream's records look like; the engine and the oracle both validate by it.

Pure data without Spark, so that producers and ``tandem verify`` can use it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.field_type import FieldType

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


@dataclass(frozen=True)
class Stream:
    """Declares one topic's records.

    Attributes:
        name: what the pipeline calls the stream; the name of its argument of ``transform``.
        topic: the Kafka topic.
        fields: the required fields in the order in which they are checked. Other fields are ignored.
        event_time: the field of type timestamp that carries the event time.
        identity: the field that identifies an event; a second record with the same identity is a repeat.
        format: the schemas, where values are Avro; None where they are JSON.
    """

    name: str
    topic: str
    fields: Mapping[str, FieldType]
    event_time: str
    identity: str
    format: Avro | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        if self.fields.get(self.event_time) is not FieldType.TIMESTAMP:
            raise ValueError(f"stream {self.name}: event_time {self.event_time!r} is not a declared timestamp field")
        if self.fields.get(self.identity) is not FieldType.STRING:
            raise ValueError(f"stream {self.name}: identity {self.identity!r} is not a declared string field")
        if self.format is not None:
            self.format.check(self.fields)
