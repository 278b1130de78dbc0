"""Reads JSON values strictly and to their last byte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructType

from tandem.engine.declare.control_record import CONTROL_FIELD, CONTROL_KEY, CONTROL_TIME_FIELD
from tandem.engine.declare.field_name import quoted
from tandem.engine.declare.kind import Integer, Kind, Record, String, Timestamp, TimeUnit
from tandem.engine.declare.stream import DeadLetterError, Stream
from tandem.engine.declare.wire_format import PREFIX_BYTES, JsonSchema
from tandem.engine.read.field_reasons import field_reason, member
from tandem.engine.read.typed_values import field_value, is_sound, json_type, scalar, shape_of
from tandem.engine.read.value_format import Rule, is_prefixed, unknown_id, unless_prefixed

# An escape like \u00e9 with a character that is not a hexadecimal digit. Spark's JSON parser looks only at the lower
# eight bits of a character, so it may take one beyond ASCII for a digit.
# Half of a pair like \ud83d\udc0e without the other half is invalid, too; Spark before 4.2 accepts it.
_WRONG_ESCAPE = (
    r"(?<!\\)(?:\\\\)*\\u(?:[0-9a-fA-F]{0,3}[^\x00-\x7F]"
    r"|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u)[dD][c-fC-F])"
)
# Spark's extensions of JSON, turned off.
_JSON_ALONE = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
# Spark writes a text that it cannot parse into the field of this name.
_CORRUPT = "_corrupt_record"
# The column of a record's JSON text if it is only a part of the value.
_TEXT = "_text"
_SIMPLE_NAME = re.compile(r"[A-Za-z0-9_.$ -]+")


class JsonFormat:
    """Reads JSON objects: parses each to a variant and extracts the declared fields.

    Args:
        stream: the declaration of the events.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._schemas = stream.format if isinstance(stream.format, JsonSchema) else None
        # The column with the JSON text.
        self._text = "value" if self._schemas is None else _TEXT

    def columns(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.columns``."""
        # All fields may be optional, but the record itself must exist.
        shape = shape_of(Record(self._stream.fields))
        return (
            *self._unframed(),
            {"_json": parse_json(F.col(self._text))},
            {"_raw": F.try_variant_get("_json", "$[0]", shape)},
        )

    def field(self, name: str) -> Column:
        """See ``ValueFormat.field``."""
        return field_value(self._stream.fields[name], F.col("_raw")[name])

    def checks(self) -> Sequence[Column]:
        """See ``ValueFormat.checks``."""
        sound = (self._is_sound(name, kind) for name, kind in self._stream.fields.items())
        return [
            self._is_framed(is_one_json_text(self._text) & F.col("_raw").isNotNull()),
            self._is_no_control(),
            *sound,
        ]

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.stages``."""
        names = self._stream.fields
        return (
            *self._unframed(),
            {"_json": parse_json(F.col(self._text))},
            {f"_v_{name}": json_field(name) for name in names},
        )

    def value_rules(self) -> Sequence[Rule]:
        """See ``ValueFormat.value_rules``."""
        whole = F.try_variant_get("_json", "$[0]", "variant")
        not_utf8, not_json = "the value is not valid UTF-8", "the value is not one JSON text"
        return [
            *self._prefix_rules(),
            (~F.is_valid_utf8(self._string()), DeadLetterError.NOT_UTF8, self._explained(not_utf8)),
            (~is_one_json_text(self._text), DeadLetterError.NOT_JSON, self._explained(not_json)),
            (json_type(whole) != "OBJECT", DeadLetterError.NOT_OBJECT, "the value is JSON but not an object"),
        ]

    def field_reason(self, name: str) -> Column:
        """See ``ValueFormat.field_reason``."""
        return field_reason(self._stream.fields[name], F.col(quoted(f"_v_{name}")), name)

    def _unframed(self) -> Sequence[Mapping[str, Column]]:
        """Returns the stage that removes a known prefix; none for plain JSON."""
        if self._schemas is None:
            return ()
        payload = F.substring("value", PREFIX_BYTES + 1, 2**31 - 1)
        # Control records are plain JSON in any format.
        plain = F.when(F.col("key") == F.lit(CONTROL_KEY), F.col("value"))
        return ({_TEXT: F.when(_is_known(self._schemas), payload).otherwise(plain)},)

    def _is_framed(self, whole: Column) -> Column:
        return whole if self._schemas is None else _is_known(self._schemas) & whole

    def _is_no_control(self) -> Column:
        # The text after a prefix is no control record.
        return is_no_control() if self._schemas is None else is_no_control() | ~is_one_json_text()

    def _prefix_rules(self) -> list[Rule]:
        if self._schemas is None:
            return []
        missing = "the value has no prefix of Confluent's wire format"
        return [
            (~is_prefixed(), DeadLetterError.NOT_JSON, missing),
            (~_is_known(self._schemas), DeadLetterError.UNKNOWN_SCHEMA, unknown_id(self._schemas.subject)),
        ]

    def _explained(self, detail: str) -> str | Column:
        return unless_prefixed(detail, wanted="plain JSON") if self._schemas is None else detail

    def _string(self) -> Column:
        return F.col(self._text).cast("string")

    def _is_sound(self, name: str, kind: Kind) -> Column:
        return is_sound(kind, F.col(quoted(f"_f_{name}")), F.col("_raw")[name])


class FlatJsonFormat(JsonFormat):
    """Reads JSON objects with required fields of simple types, without variants.

    Args:
        stream: a stream for which ``can_read`` is true.
    """

    @staticmethod
    def can_read(stream: Stream) -> bool:
        """Returns whether this format can read a stream's records."""
        return all(_is_simple(name, kind) for name, kind in stream.fields.items())

    def columns(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.columns``."""
        plain = self._is_plain()
        read = {"_plain": plain, "_json": F.when(~plain, parse_json(F.col(self._text))), "_read": self._read()}
        return (*self._unframed(), read)

    def field(self, name: str) -> Column:
        """See ``ValueFormat.field``."""
        kind, value = self._stream.fields[name], F.col("_read")[name]
        return scalar(kind, value) if isinstance(kind, Timestamp) else value

    def checks(self) -> Sequence[Column]:
        """See ``ValueFormat.checks``."""
        whole = F.col("_plain") | is_one_json_text(self._text)
        return [
            self._is_framed(whole),
            self._is_no_control(),
            *(self._is_sound(name, kind) for name, kind in self._stream.fields.items()),
        ]

    def _is_plain(self) -> Column:
        """Returns whether ``_read`` alone is enough to validate the text; never null.

        True for most records. Such a text has no escape, only one closing brace, at its end, and as many quotation
        marks as the declared fields need. So if all fields were read, there is no other key, no duplicate key and no
        trailing text.
        """
        text = self._string()
        marks = sum(2 if isinstance(kind, Integer) else 4 for kind in self._stream.fields.values())
        simple = text.rlike(rf'^\{{(?:[^\\"}}]*+"){{{marks}}}[^\\"}}]*+\}}\z')
        other_key = F.coalesce(F.col("key") != CONTROL_KEY, F.lit(True))
        return other_key & F.coalesce(F.is_valid_utf8(text) & simple, F.lit(False))

    def _read(self) -> Column:
        """Returns the record's fields as a struct, in one pass over the text.

        This alone does not validate a text that is not plain: it reads the number 5 as the string "5", takes the last
        of two equal keys, and ignores trailing text. Extracting values from a variant costs more than reading the text
        twice.
        """
        fields = StructType()
        for name, kind in self._stream.fields.items():
            fields.add(name, LongType() if isinstance(kind, Integer) else StringType())
        return F.from_json(self._string(), fields, _JSON_ALONE)

    def _is_sound(self, name: str, kind: Kind) -> Column:
        """Returns whether a field has its declared type and a value.

        Spark reads only an integer as an integer. A value that matches the pattern of a time was a string.
        """
        value = F.col(quoted(f"_f_{name}"))
        return is_text(name, value, self._string()) if isinstance(kind, String) else value.isNotNull()


def is_text(name: str, value: Column, text: Column) -> Column:
    """Returns whether a field that ``FlatJsonFormat`` has read is a non-empty string.

    Spark reads any JSON value as a string. So a result that looks like another JSON value may not have been a string.
    In a plain text the key occurs once, and the value is a string if a quotation mark follows the key.
    """
    may_be_other = value.rlike(r"^([\[{]|(-?[0-9][-+.0-9eE]*|true|false)\z)")
    quotes = text.rlike(rf'"\Q{name}\E"\s*:\s*"')
    is_string = F.when(F.col("_plain"), quotes).otherwise(json_type(json_field(name)) == "STRING")
    return (value != "") & (~may_be_other | is_string)


def _is_simple(name: str, kind: Kind) -> bool:
    if kind.is_optional or not _SIMPLE_NAME.fullmatch(name) or name == _CORRUPT:
        return False
    match kind:
        case String():
            return not kind.may_be_empty
        case Integer():
            return kind.bits == 64
        case Timestamp():
            return kind.unit is TimeUnit.ISO_8601
        case _:
            return False


def _is_known(schemas: JsonSchema) -> Column:
    """Returns whether a value begins with the prefix of a frozen schema."""
    return F.substring("value", 1, PREFIX_BYTES).isin(*schemas.prefixes)


def parse_json(value: Column) -> Column:
    """Returns ``[<the record>, <its hash>]`` as a variant; null if that is not valid JSON.

    Spark's JSON parser stops after the first value and ignores trailing text. The array makes it read to the end: the
    hash is the second item only if the record is a single JSON value.
    """
    text = value.cast("string")
    wrapped = F.concat(F.lit("["), text, F.lit(","), F.xxhash64(value).cast("string"), F.lit("]"))
    # The pattern is tried at every character, so it is used only if the text has an escape.
    wrong = text.contains("\\u") & text.rlike(_WRONG_ESCAPE)
    return F.when(F.is_valid_utf8(text) & ~wrong, F.try_parse_json(wrapped))


def is_one_json_text(text: str = "value") -> Column:
    """Returns whether ``_json`` comes from a single JSON value without trailing text.

    Never null.

    Args:
        text: the column that ``parse_json`` has read.
    """
    return F.coalesce(F.try_variant_get("_json", "$[1]", "bigint") == F.xxhash64(text), F.lit(False))


def json_field(name: str) -> Column:
    """Returns a field of the record as a variant.

    Null if it is missing or the record is no object.
    """
    return member("_json", name, of="$[0]")


def is_control() -> Column:
    """Returns whether the record has the key and the field of a control record."""
    return (F.col("key") == CONTROL_KEY) & is_one_json_text() & json_field(CONTROL_FIELD).isNotNull()


def is_no_control() -> Column:
    """Returns the opposite of ``is_control``; never null if the record has a key."""
    return F.coalesce(F.col("key") != CONTROL_KEY, F.lit(True)) | json_field(CONTROL_FIELD).isNull()


def is_sent_by(sender: str | None) -> Column:
    """Returns whether a control record is from this sender; false or null if not."""
    return member("_json", CONTROL_FIELD, of="$[0]", kind="string") == F.lit(sender)


def control_time() -> Column:
    """Returns the event time of a control record, or null."""
    return scalar(Timestamp(), member("_json", CONTROL_TIME_FIELD, of="$[0]", kind="string"))
