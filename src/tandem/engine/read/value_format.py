"""The interface of a format, from which rows and reasons are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pyspark.sql import Column
from pyspark.sql import functions as F

from tandem.engine.declare.stream import REGISTRY_PREFIX, DeadLetterError
from tandem.engine.declare.wire_format import MAGIC, PREFIX_BYTES, UNKNOWN_ID, not_frozen

# A rejection: its condition, its error code and its detail.
Rule = tuple[Column, DeadLetterError, str | Column]


class ValueFormat(Protocol):
    """One format.

    Its columns are expressions of a Kafka record's columns and of earlier stages.
    """

    def columns(self) -> Sequence[Mapping[str, Column]]:
        """Returns the columns parsed from the value, in stages.

        Each may use the earlier ones.

        They include ``_json``, because control records are JSON in any format.
        """

    def field(self, name: str) -> Column:
        """Returns a field with its type, from ``columns``.

        It may be any value if the record's value is invalid.
        """

    def checks(self) -> Sequence[Column]:
        """Returns the conditions for an event, first that of the whole value.

        ``_f_<name>`` is each declared ``field``. A condition may be null. One of them excludes control records.
        """

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """Returns the columns that the rules and reasons need, in stages."""

    def value_rules(self) -> Sequence[Rule]:
        """Returns the rules for the whole value, in order."""

    def field_reason(self, name: str) -> Column:
        """Returns a field's error and detail for a readable value.

        Null if the field is valid.
        """


def unless_prefixed(detail: str, *, wanted: str) -> Column:
    """Returns the detail of an unreadable value, which may explain a prefix.

    A schema registry's prefix gets its own detail.

    Args:
        detail: the detail for a value without such a prefix.
        wanted: the encoding that the producer must use.
    """
    explained = F.format_string(f"{REGISTRY_PREFIX}; configure the producer to send {wanted}", _schema_id())
    return F.when(is_prefixed(), explained).otherwise(F.lit(detail))


def is_prefixed() -> Column:
    """Returns whether a value begins like Confluent's wire format."""
    return (F.length("value") >= PREFIX_BYTES) & (F.substring("value", 1, len(MAGIC)) == MAGIC)


def unknown_id(subject: str) -> Column:
    """Returns the detail of a value whose prefix has an unknown id."""
    return F.concat(F.format_string(UNKNOWN_ID, _schema_id()), F.lit(not_frozen(subject)))


def _schema_id() -> Column:
    digits = F.hex(F.substring("value", len(MAGIC) + 1, PREFIX_BYTES - len(MAGIC)))
    return F.conv(digits, 16, 10).cast("bigint")
