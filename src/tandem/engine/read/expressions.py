"""Expressions that several conversions share."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F


def let(value: Column, use: Callable[[Column], Column]) -> Column:
    """Returns ``use(value)``, with the value computed once."""
    return F.get(F.transform(F.array(value), use), F.lit(0))


def matching(text: Column, pattern: str, value: Column) -> Column:
    """Returns a value if a whole text matches a pattern; else null."""
    return F.when(text.rlike(rf"^(?:{pattern})\z"), value)
