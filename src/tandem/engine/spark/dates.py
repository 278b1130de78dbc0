"""Passes dates between Spark and MongoDB unchanged.

The connector turns each date into a ``java.sql.Timestamp``. Spark then moves days before 1582 to the Julian calendar
and applies the Java process's zone to times before 1900. Some dates cannot be expressed at all. So documents with old
dates are written as text in MongoDB's extended JSON, which the connector parses. Dates are read as MongoDB's numbers.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DateType, LongType, MapType, StringType, StructType, TimestampType

from tandem.engine.declare.field_name import RESERVED, quoted

# From this date on, both calendars and all zones agree.
_AGREED, _AGREED_DAY = "TIMESTAMP '1901-01-01 00:00:00Z'", "DATE '1901-01-01'"
_DAY_MS = 86_400_000
# Converts an SQL expression, given its type and nesting depth, to another expression.
_Conversion = Callable[[str, DataType, int], str]


def may_change(documents: DataFrame) -> bool:
    """Returns whether the connector may change a date in the documents.

    May compute them.
    """
    if has_days_or_nested(documents):
        return True
    times = any(field.dataType == TimestampType() for field in documents.schema)
    return times and bool(documents.where(is_old(documents)).limit(1).collect())


def is_old(rows: DataFrame) -> Column:
    """Returns whether a row has a date so old that the connector may change it.

    Never null.

    Rejected records are not checked, because no document is made of them.
    """
    old = (_is_old(quoted(field.name), field.dataType) for field in rows.schema if field.name != RESERVED)
    return F.expr(f"COALESCE({' OR '.join(filter(None, old)) or 'NULL'}, FALSE)")


def has_days_or_nested(documents: DataFrame) -> bool:
    """Returns whether documents have days or nested dates.

    The connector may change even new ones.
    """
    return any(field.dataType != TimestampType() and _has_dates(field.dataType) for field in documents.schema)


def as_json(documents: DataFrame) -> DataFrame:
    """Returns the documents with each date and each string as text in extended JSON."""
    return documents.selectExpr(
        *(f"{_json(quoted(field.name), field.dataType)} AS {quoted(field.name)}" for field in documents.schema)
    )


def as_stored(kind: DataType) -> DataType:
    """Returns a type with dates in milliseconds since 1970 and optional fields."""
    match kind:
        case TimestampType() | DateType():
            return LongType()
        case ArrayType():
            return ArrayType(as_stored(kind.elementType))
        case MapType():
            return MapType(kind.keyType, as_stored(kind.valueType))
        case StructType():
            stored = StructType()
            for field in kind:
                stored.add(field.name, as_stored(field.dataType))
            return stored
        case _:
            return kind


def from_stored(documents: DataFrame, schema: StructType) -> DataFrame:
    """Returns documents with dates again, after reading ``as_stored(schema)``."""
    return documents.selectExpr(
        *(f"{_date(quoted(field.name), field.dataType)} AS {quoted(field.name)}" for field in schema)
    )


def _is_old(value: str, kind: DataType, depth: int = 0) -> str:
    """Returns the SQL condition for an old date in a value.

    Empty if its type has no dates.
    """
    item = f"item{depth}"
    match kind:
        case TimestampType():
            return f"{value} < {_AGREED}"
        case DateType():
            return f"{value} < {_AGREED_DAY}"
        case ArrayType():
            inside = _is_old(item, kind.elementType, depth + 1)
            return inside and f"EXISTS({value}, {item} -> {inside})"
        case MapType():
            entry = StructType().add("key", kind.keyType).add("value", kind.valueType)
            return _is_old(f"MAP_ENTRIES({value})", ArrayType(entry), depth)
        case StructType():
            fields = (_is_old(f"{value}.{quoted(field.name)}", field.dataType, depth) for field in kind)
            return " OR ".join(filter(None, fields))
        case _:
            return ""


def _json(value: str, kind: DataType, depth: int = 0) -> str:
    match kind:
        case StringType():
            # Inside an array, because Spark does not write a single string as JSON.
            return f"IF({value} IS NULL, NULL, TRIM(BOTH '[]' FROM TO_JSON(ARRAY({value}))))"
        case TimestampType():
            return _extended(f"UNIX_MILLIS({value})")
        case DateType():
            return _extended(f"UNIX_DATE({value}) * {_DAY_MS}L")
        case _ if _has(kind, (StringType, TimestampType, DateType)):
            return _inside(value, kind, depth, _json)
        case _:
            return value


def _extended(ms: str) -> str:
    return f"""CONCAT('{{"$date":{{"$numberLong":"', {ms}, '"}}}}')"""


def _date(value: str, kind: DataType, depth: int = 0) -> str:
    match kind:
        case TimestampType():
            return f"TIMESTAMP_MILLIS({value})"
        case DateType():
            return f"DATE_FROM_UNIX_DATE(CAST(FLOOR({value} / {_DAY_MS}) AS INT))"
        case _ if _has_dates(kind):
            return _inside(value, kind, depth, _date)
        case _:
            return value


def _inside(value: str, kind: DataType, depth: int, convert: _Conversion) -> str:
    """Returns the SQL expression that converts the content of a container.

    Containers are arrays, maps and structs.
    """
    item = f"item{depth}"
    match kind:
        case ArrayType():
            return f"TRANSFORM({value}, {item} -> {convert(item, kind.elementType, depth + 1)})"
        case MapType():
            return f"TRANSFORM_VALUES({value}, (name{depth}, {item}) -> {convert(item, kind.valueType, depth + 1)})"
        case StructType():
            fields = (
                f"{_text(field.name)}, {convert(f'{value}.{quoted(field.name)}', field.dataType, depth)}"
                for field in kind
            )
            return f"IF({value} IS NULL, NULL, NAMED_STRUCT({', '.join(fields)}))"
        case _:
            raise AssertionError(f"{kind} is not a container type")


def _has_dates(kind: DataType) -> bool:
    return _has(kind, (TimestampType, DateType))


def _has(kind: DataType, wanted: tuple[type[DataType], ...]) -> bool:
    match kind:
        case ArrayType():
            return _has(kind.elementType, wanted)
        case MapType():
            return _has(kind.valueType, wanted)
        case StructType():
            return any(_has(field.dataType, wanted) for field in kind)
        case _:
            return isinstance(kind, wanted)


def _text(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
