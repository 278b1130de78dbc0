"""Makes the same ``_id`` for the same document, so that a replay changes nothing."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F


def document_id(*parts: Column | str) -> Column:
    r"""Returns the parts joined by ``|``; a ``|`` inside a part is escaped with ``\``.

    Args:
        parts: columns or their names; the result is null if one of them is null. A string is written unchanged, an
            integer in digits, a boolean as ``true`` or ``false``, a date as 2026-11-29, a decimal with all digits of
            its scale. For a timestamp use ``unix_micros``, because its text depends on the session's time zone.

    Examples:
        >>> lines = spark.createDataFrame([("o1", 7), ("a|b", 8)], "order_id string, line bigint")
        >>> lines.withColumn("_id", document_id("order_id", "line")).show()
        +--------+----+------+
        |order_id|line|   _id|
        +--------+----+------+
        |      o1|   7|  o1|7|
        |     a|b|   8|a\|b|8|
        +--------+----+------+
        <BLANKLINE>
    """
    escaped = [_escaped((F.col(part) if isinstance(part, str) else part).cast("string")) for part in parts]
    return reduce(lambda left, right: F.concat(left, F.lit("|"), right), escaped)


def _escaped(text: Column) -> Column:
    return F.replace(F.replace(text, F.lit("\\"), F.lit("\\\\")), F.lit("|"), F.lit("\\|"))
