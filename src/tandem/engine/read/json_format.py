"""Reads values that are JSON, strictly and to their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from pyspark.sql import Column
from pyspark.sql import functions as F

from tandem.engine.declare.field_type import TIMESTAMP_PATTERN, FieldType
from tandem.engine.declare.stream import CONTROL_FIELD, CONTROL_KEY, CONTROL_TIME_FIELD, DeadLetterError, Stream
from tandem.engine.read.value_format import Rule, unless_prefixed

# An escape like \u00e9 with another character than a hexadecimal digit. Of one beyond ASCII Spark's JSON parser looks
# at the lower eight bits alone, and may find a digit there.
# Half of a pair like \ud83d\udc0e without the other half is no text either; before 4.2 Spark accepts it.
_WRONG_ESCAPE = (
    r"(?<!\\)(?:\\\\)*\\u(?:[0-9a-fA-F]{0,3}[^\x00-\x7F]"
    r"|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u)[dD][c-fC-F])"
)
# What Spark reads besides JSON where it is not told otherwise.
_JSON_ALONE = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}


class JsonFormat:
    """Reads JSON objects.

    Args:
        stream: what an event must look like.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def columns(self) -> Mapping[str, Column]:
        """See ``ValueFormat.columns``."""
        plain = self._is_plain()
        return {"_plain": plain, "_json": F.when(~plain, parse_json(F.col("value"))), "_read": self._read()}

    def field(self, name: str, kind: FieldType) -> Column:
        """See ``ValueFormat.field``."""
        return _typed(F.col(f"_read.{name}"), kind)

    def checks(self) -> Sequence[Column]:
        """See ``ValueFormat.checks``."""
        whole = F.col("_plain") | is_one_json_text()
        return [whole, *(_is_sound(name, kind) for name, kind in self._stream.fields.items())]

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.stages``."""
        fields = self._stream.fields
        return (
            {"_json": parse_json(F.col("value"))},
            {f"_v_{name}": json_field(name) for name in fields},
            {f"_t_{name}": json_type(F.col(f"_v_{name}")) for name in fields}
            | {f"_f_{name}": _typed_field(name, kind) for name, kind in fields.items()},
        )

    def value_rules(self) -> Sequence[Rule]:
        """See ``ValueFormat.value_rules``."""
        not_utf8 = unless_prefixed("the value is not valid UTF-8", wanted="plain JSON")
        not_json = unless_prefixed("the value is not one JSON text", wanted="plain JSON")
        return [
            (~F.is_valid_utf8(F.col("value").cast("string")), DeadLetterError.NOT_UTF8, not_utf8),
            (~is_one_json_text(), DeadLetterError.NOT_JSON, not_json),
            (
                json_type(F.try_variant_get("_json", "$[0]", "variant")) != "OBJECT",
                DeadLetterError.NOT_OBJECT,
                "the value is JSON but not an object",
            ),
        ]

    def field_rules(self, name: str, kind: FieldType) -> Sequence[Rule]:
        """See ``ValueFormat.field_rules``."""
        json_type, value = F.col(f"_t_{name}"), F.col(f"_f_{name}")
        rules: list[Rule] = [
            (F.col(f"_v_{name}").isNull(), DeadLetterError.MISSING_FIELD, name),
            (json_type == "VOID", DeadLetterError.NULL_FIELD, name),
            (json_type != _json_type_of(kind), DeadLetterError.WRONG_TYPE, f"{name}: not of type {kind}"),
        ]
        match kind:
            case FieldType.STRING:
                rules.append((value == "", DeadLetterError.EMPTY_FIELD, name))
            case FieldType.TIMESTAMP:
                rules.append((value.isNull(), DeadLetterError.BAD_TIME, name))
            case FieldType.INTEGER:
                pass
            case _:
                assert_never(kind)
        return rules

    def _is_plain(self) -> Column:
        """Returns whether the text is so simple that ``_read`` alone says what it is; never null. Most records are.

        It has no escape, one closing brace, at its end, and as many quotation marks as the declared fields need. So
        when all of these were read, there is no other key, none is there twice, and nothing stands behind the record.
        """
        text = F.col("value").cast("string")
        marks = sum(4 if _json_type_of(kind) == "STRING" else 2 for kind in self._stream.fields.values())
        simple = text.rlike(rf'^\{{(?:[^\\"}}]*+"){{{marks}}}[^\\"}}]*+\}}\z')
        other_key = F.coalesce(F.col("key") != CONTROL_KEY.encode(), F.lit(True))
        return other_key & F.coalesce(F.is_valid_utf8(text) & simple, F.lit(False))

    def _read(self) -> Column:
        """Returns the record's fields as a struct, read in one pass.

        Where the text is not plain it would not do alone: it takes the number 5 for the string "5", the last of two
        equal keys, and whatever stands behind the record. But to take values out of a variant costs more than to read
        the text once more.
        """
        fields = ", ".join(f"`{name}` {_json_type_of(kind)}" for name, kind in self._stream.fields.items())
        return F.from_json(F.col("value").cast("string"), fields, _JSON_ALONE)


def parse_json(value: Column) -> Column:
    """Returns ``[<the record>, <its hash>]`` as a variant, or null when that is not valid JSON.

    Spark's JSON parser stops after the first value and ignores what follows. The wrapping makes it read to the end: the
    hash is found at its place only when the record is a single JSON value and nothing stands behind it.
    """
    text = value.cast("string")
    wrapped = F.concat(F.lit("["), text, F.lit(","), F.xxhash64(value).cast("string"), F.lit("]"))
    # The pattern is tried at each character: so only where there is an escape at all.
    wrong = text.contains("\\u") & text.rlike(_WRONG_ESCAPE)
    return F.when(F.is_valid_utf8(text) & ~wrong, F.try_parse_json(wrapped))


def is_one_json_text() -> Column:
    """Returns whether ``_json`` was made of a single JSON value with nothing behind it; never null."""
    return F.coalesce(F.try_variant_get("_json", "$[1]", "bigint") == F.xxhash64("value"), F.lit(False))


def json_field(name: str) -> Column:
    """Returns a field of the record as a variant; null where the record has no such field or is no object."""
    return F.try_variant_get("_json", f"$[0]['{name}']", "variant")


def json_type(variant: Column) -> Column:
    """Returns a variant's type: ``OBJECT``, ``ARRAY``, ``STRING``, ``BIGINT``, ``VOID`` for a JSON null, and others.

    ``schema_of_variant`` alone would descend into what is nested: a thousand levels are more than a thread's stack.
    """
    return (
        F.when(F.try_variant_get(variant, "$", "map<string, variant>").isNotNull(), "OBJECT")
        .when(F.try_variant_get(variant, "$", "array<variant>").isNotNull(), "ARRAY")
        .otherwise(F.schema_of_variant(variant))
    )


def is_control() -> Column:
    """Returns whether the record claims to be a control record."""
    return (F.col("key") == CONTROL_KEY.encode()) & is_one_json_text() & json_field(CONTROL_FIELD).isNotNull()


def is_no_control() -> Column:
    """Returns whether the record does not; never null where it has a key."""
    return F.coalesce(F.col("key") != CONTROL_KEY.encode(), F.lit(True)) | json_field(CONTROL_FIELD).isNull()


def control_time() -> Column:
    """Returns the event time of a control record, or null."""
    return _typed_field(CONTROL_TIME_FIELD, FieldType.TIMESTAMP)


def _typed_field(name: str, kind: FieldType) -> Column:
    """Returns a field's value, or null; meaningful only where the JSON type is the declared one."""
    return _typed(F.try_variant_get("_json", f"$[0]['{name}']", _json_type_of(kind)), kind)


def _json_type_of(kind: FieldType) -> str:
    """Returns what Spark calls the JSON type of a field's values."""
    match kind:
        case FieldType.STRING | FieldType.TIMESTAMP:
            return "STRING"
        case FieldType.INTEGER:
            return "BIGINT"
        case _:
            assert_never(kind)


def _typed(value: Column, kind: FieldType) -> Column:
    match kind:
        case FieldType.STRING | FieldType.INTEGER:
            return value
        case FieldType.TIMESTAMP:
            return F.when(value.rlike(f"^(?:{TIMESTAMP_PATTERN})\\z"), value.try_cast("timestamp"))
        case _:
            assert_never(kind)


def _is_sound(name: str, kind: FieldType) -> Column:
    """Returns whether a field has its declared type and a value.

    As an integer Spark reads nothing but an integer, and what matches the pattern of a time can only have been a
    string. As a string it reads anything; but only text that looks like another JSON value may have been one. In plain
    text the key is there once, and its value is a string when a quotation mark follows.
    """
    value = F.col(f"_f_{name}")
    match kind:
        case FieldType.INTEGER | FieldType.TIMESTAMP:
            return value.isNotNull()
        case FieldType.STRING:
            return is_text(name, value)
        case _:
            assert_never(kind)


def is_text(name: str, value: Column) -> Column:
    """Returns whether a field is a string of at least one character; see ``_is_sound``."""
    may_be_other = value.rlike(r"^([\[{]|(-?[0-9][-+.0-9eE]*|true|false)\z)")
    quoted = F.col("value").cast("string").rlike(rf'"\Q{name}\E"\s*:\s*"')
    is_string = F.when(F.col("_plain"), quoted).otherwise(json_type(json_field(name)) == "STRING")
    return (value != "") & (~may_be_other | is_string)
