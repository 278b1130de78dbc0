"""How a stream's values are read, whatever their format: the parts that ``parse`` and ``reject`` put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pyspark.sql import Column

from tandem.engine.schema import DeadLetterError, FieldType

# When it holds, the code and the detail.
Rule = tuple[Column, DeadLetterError, str]


class Reading(Protocol):
    """One format. Its columns are expressions of the columns of a Kafka record, and of those before them."""

    def columns(self) -> Mapping[str, Column]:
        """Returns what is read of the value; ``_json`` is among them, for control records are JSON in any format."""

    def field(self, name: str, kind: FieldType) -> Column:
        """Returns a field with its type, from ``columns``; null, or anything, where the record has no such value."""

    def checks(self) -> Sequence[Column]:
        """Returns what holds of an event, given ``field`` of each declared field as ``_f_<name>``; may be null."""

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """Returns the columns that ``rules`` need, each stage made of those before it."""

    def value_rules(self) -> Sequence[Rule]:
        """Returns why a value cannot be read, in this order."""

    def field_rules(self, name: str, kind: FieldType) -> Sequence[Rule]:
        """Returns why a field of a value that can be read is not acceptable, in this order."""
