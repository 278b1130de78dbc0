"""Declares the types of fields: those of records, and those of documents."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, final

from tandem.engine.declare.kind import (
    Array,
    Boolean,
    Bytes,
    Date,
    Decimal,
    Double,
    Enum,
    Integer,
    Kind,
    Map,
    Record,
    String,
    Timestamp,
    TimeUnit,
)


@final
class FieldType:
    """The types of a record's fields.

    Add ``optional()`` or ``default(value)`` to any of them. Values are not converted: the string "5" is not an
    integer, and 5 is not a string.

    >>> fields = {
    ...     "order_id": FieldType.STRING,
    ...     "ordered_at": FieldType.EPOCH_MILLISECONDS,
    ...     "status": FieldType.enum("new", "paid"),
    ...     "coupon": FieldType.STRING.optional(),
    ...     "items": FieldType.array(
    ...         FieldType.record(
    ...             {
    ...                 "sku": FieldType.STRING,
    ...                 "price": FieldType.decimal(12, 2),
    ...                 "count": FieldType.INTEGER_32.default(1),
    ...             }
    ...         )
    ...     ),
    ... }
    >>> str(fields["items"].items.fields["price"])
    'decimal(12,2)'

    Attributes:
        STRING: a string, not empty.
        TEXT: a string that may be empty.
        BOOLEAN: true or false.
        INTEGER: an integer of 64 bits.
        INTEGER_32: an integer of 32 bits.
        DOUBLE: a number in floating point.
        DATE: a string like 2026-11-29.
        TIMESTAMP: a string in ISO 8601, up to microseconds; without an offset it is UTC.
        EPOCH_SECONDS: an integer, the seconds since 1970, UTC.
        EPOCH_MILLISECONDS: the same in milliseconds.
        EPOCH_MICROSECONDS: the same in microseconds.
        BYTES: a string in base64.
    """

    STRING: Final = String()
    TEXT: Final = String(may_be_empty=True)
    BOOLEAN: Final = Boolean()
    INTEGER: Final = Integer()
    INTEGER_32: Final = Integer(bits=32)
    DOUBLE: Final = Double()
    DATE: Final = Date()
    TIMESTAMP: Final = Timestamp()
    EPOCH_SECONDS: Final = Timestamp(TimeUnit.SECONDS)
    EPOCH_MILLISECONDS: Final = Timestamp(TimeUnit.MILLISECONDS)
    EPOCH_MICROSECONDS: Final = Timestamp(TimeUnit.MICROSECONDS)
    BYTES: Final = Bytes()

    @staticmethod
    def decimal(precision: int, scale: int) -> Decimal:
        """Returns the type of an exact number: its digits, and those after the point.

        In a record it is a number without an exponent, or a string that contains one. It is never rounded: a record
        whose number does not fit becomes a dead letter. The largest precision is 34, MongoDB's limit.
        """
        return Decimal(precision, scale)

    @staticmethod
    def decimal_bytes(precision: int, scale: int) -> Decimal:
        """Returns the type of an exact number as Kafka Connect writes it, in bytes.

        In a record it is a string in base64, which does not contain the scale. For ``NUMERIC(12, 2)`` declare
        ``decimal_bytes(12, 2)``. In Spark and in MongoDB it is the same as ``decimal(12, 2)``.
        """
        return Decimal(precision, scale, in_bytes=True)

    @staticmethod
    def enum(*symbols: str) -> Enum:
        """Returns the type of a string that is one of the symbols."""
        return Enum(symbols)

    @staticmethod
    def record(fields: Mapping[str, Kind]) -> Record:
        """Returns the type of a nested record; other fields in it are ignored."""
        return Record(fields)

    @staticmethod
    def array(items: Kind) -> Array:
        """Returns the type of an array of items of one type, none of them null."""
        return Array(items)

    @staticmethod
    def map(values: Kind) -> Map:
        """Returns the type of an object with any keys and values of one type.

        No value may be null.
        """
        return Map(values)


class DocumentType(StrEnum):
    """The type of a document's field.

    The comments name the Spark types that it stands for.
    """

    STRING = "string"
    INTEGER = "integer"  # byte, short, int or bigint
    DECIMAL = "decimal"  # of any precision
    DOUBLE = "double"  # float or double
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    BYTES = "binary"
    ARRAY = "array"
    OBJECT = "object"  # struct or map
