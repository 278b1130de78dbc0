"""How a stream's values are read, whatever their format: the parts that ``parse`` and ``reject`` put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pyspark.sql import Column
from pyspark.sql import functions as F

from tandem.engine.declare.kind import Kind
from tandem.engine.declare.stream import REGISTRY_BYTES, REGISTRY_MAGIC, REGISTRY_PREFIX, DeadLetterError

# When it holds, the code and the detail.
Rule = tuple[Column, DeadLetterError, str | Column]


class ValueFormat(Protocol):
    """One format. Its columns are expressions of the columns of a Kafka record, and of those before them."""

    def columns(self) -> Sequence[Mapping[str, Column]]:
        """Returns what is read of the value, each stage made of those before it.

        ``_json`` is among it, for control records are JSON in any format.
        """

    def field(self, name: str, kind: Kind) -> Column:
        """Returns a field with its type, from ``columns``; null, or anything, where the record has no such value."""

    def checks(self) -> Sequence[Column]:
        """Returns what holds of an event, given ``field`` of each declared field as ``_f_<name>``; may be null."""

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """Returns the columns that the rules and reasons need, each stage made of those before it."""

    def value_rules(self) -> Sequence[Rule]:
        """Returns why a value cannot be read, in this order."""

    def field_reason(self, name: str, kind: Kind) -> Column:
        """Returns why a field is not acceptable, given a value that can be read: an error and a detail, or null."""


def unless_prefixed(detail: str, *, wanted: str) -> Column:
    """Returns the detail of a value that cannot be read; another where a schema registry's prefix explains it.

    Args:
        detail: where the value has no such prefix.
        wanted: what the producer has to send instead.
    """
    prefixed = (F.length("value") >= REGISTRY_BYTES) & (F.substring("value", 1, 1) == REGISTRY_MAGIC)
    schema_id = F.conv(F.hex(F.substring("value", 2, REGISTRY_BYTES - 1)), 16, 10).cast("bigint")
    explained = F.format_string(f"{REGISTRY_PREFIX}; configure the producer to send {wanted}", schema_id)
    return F.when(prefixed, explained).otherwise(F.lit(detail))
