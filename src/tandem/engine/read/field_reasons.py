"""Explains why a JSON record is invalid: the first wrong field, and its error."""

from __future__ import annotations

from typing import assert_never

from pyspark.sql import Column
from pyspark.sql import functions as F

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
)
from tandem.engine.declare.stream import DeadLetterError
from tandem.engine.read.expressions import let
from tandem.engine.read.typed_values import is_of, is_storable, raw_type, scalar

# The type of a reason; null is no reason.
NO_REASON = "struct<error: string, detail: string>"


def reason_of(error: DeadLetterError, detail: str | Column) -> Column:
    """Returns an error and its detail as a struct."""
    return F.struct(F.lit(str(error)).alias("error"), F.lit(detail).alias("detail"))


def member(variant: Column | str, name: str, *, of: str = "$", kind: str = "variant") -> Column:
    """Returns a member of the object at a variant's path.

    Null if it is missing or of another type.
    """
    quote = '"' if "'" in name else "'"
    return F.try_variant_get(variant, f"{of}[{quote}{name}{quote}]", kind)


def field_reason(kind: Kind, variant: Column, path: str | Column) -> Column:
    """Returns a field's error and a detail that begins with the path.

    Null if the field is valid.

    Args:
        kind: the declared type.
        variant: the value; null if it is missing.
        path: the field's path, such as ``items[3].price``.
    """
    path = F.lit(path)
    fine = F.lit(None).cast(NO_REASON)
    missing = fine if kind.is_optional else reason_of(DeadLetterError.MISSING_FIELD, path)
    null = fine if kind.is_optional else reason_of(DeadLetterError.NULL_FIELD, path)
    wrong = reason_of(DeadLetterError.WRONG_TYPE, F.concat(path, F.lit(f": not of type {kind}")))
    return (
        F.when(variant.isNull(), missing)
        .when(F.is_variant_null(variant), null)
        .when(is_of(kind, variant), _inside(kind, variant, path, wrong))
        .otherwise(wrong)
    )


def _inside(kind: Kind, variant: Column, path: Column, wrong: Column) -> Column:
    """Returns the error inside a value of the right JSON type.

    ``wrong`` if the value itself does not fit.
    """
    match kind:
        case Record():
            return F.coalesce(*(_of_member(variant, name, each, path) for name, each in kind.fields.items()))
        case Array():
            items = F.try_variant_get(variant, "$", "array<variant>")
            reasons = F.transform(
                items,
                lambda item, number: field_reason(
                    kind.items, item, F.concat(path, F.lit("["), number.cast("string"), F.lit("]"))
                ),
            )
            return F.get(F.filter(reasons, lambda each: each.isNotNull()), F.lit(0))
        case Map():
            entries = F.map_entries(F.try_variant_get(variant, "$", "map<string, variant>"))
            # The reason must not depend on the order of the keys, so it is the least one, not the first.
            of_values = F.transform(
                entries, lambda entry: field_reason(kind.values, entry["value"], F.concat(path, F.lit("[*]")))
            )
            of_keys = F.transform(entries, lambda entry: F.when(~is_storable(entry["key"]), wrong))
            return F.array_min(F.concat(of_keys, of_values))
        case String():
            unusable = reason_of(DeadLetterError.EMPTY_FIELD, path)
        case Date() | Timestamp():
            unusable = reason_of(DeadLetterError.BAD_TIME, path)
        case Boolean() | Bytes() | Decimal() | Double() | Enum() | Integer():
            unusable = wrong
        case _:
            assert_never(kind)
    return F.when(scalar(kind, F.try_variant_get(variant, "$", raw_type(kind))).isNull(), unusable)


def _of_member(variant: Column, name: str, kind: Kind, path: Column) -> Column:
    inner = F.concat(path, F.lit(f".{name}"))
    # The value is computed once. A reason uses it several times, and each level of nesting would multiply that.
    return let(member(variant, name), lambda value: field_reason(kind, value, inner))
