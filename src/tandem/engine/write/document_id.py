"""Makes the ``_id`` of a document from what it is about, so that a replay writes the same document again."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F


def document_id(*parts: Column | str) -> Column:
    """Returns the parts joined by ``|``; one inside a part is escaped by ``\\``, so that no two lists share a result.

    Args:
        parts: strings, by column or its name; null where one of them is null.
    """
    escaped = [_escaped(F.col(part) if isinstance(part, str) else part) for part in parts]
    return reduce(lambda left, right: F.concat(left, F.lit("|"), right), escaped)


def _escaped(text: Column) -> Column:
    return F.replace(F.replace(text, F.lit("\\"), F.lit("\\\\")), F.lit("|"), F.lit("\\|"))
