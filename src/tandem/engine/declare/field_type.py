"""The types that fields of records and of documents can be declared with."""

from __future__ import annotations

from enum import StrEnum

# ISO 8601 with `T` or a space, optional seconds, and behind seconds up to six digits of fraction and `Z` or an offset
# of at most 18 hours (Java's limit). Without an offset the time is UTC. The pattern comes before any cast: Spark's cast
# alone also accepts a bare year, a bare time, surrounding blanks and zone names, and it knows no offset without
# seconds. Written in the common subset of Java's and Python's syntax.
TIMESTAMP_PATTERN = (
    r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}"
    r"(:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-]((0[0-9]|1[0-7])(:?[0-5][0-9])?|18(:?00)?))?)?"
)


class FieldType(StrEnum):
    """What a field may be declared as, and what that is in JSON; in Avro see ``engine.declare.avro_schema.kind_of``."""

    STRING = "string"  # a JSON string, not empty
    INTEGER = "integer"  # a JSON integer that fits 64 bits; 5.0 and "5" are not
    TIMESTAMP = "timestamp"  # a JSON string that matches TIMESTAMP_PATTERN and names a real time


class DocumentType(StrEnum):
    """The type of a field of the documents that a pipeline writes, and the types that it has in Spark."""

    STRING = "string"
    INTEGER = "integer"  # byte, short, int or bigint
    DECIMAL = "decimal"  # of any precision
    DOUBLE = "double"  # float or double
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    ARRAY = "array"
    OBJECT = "object"  # struct or map
