"""Finds out why a record is not an event."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.parse import (
    VARIANT_TYPE,
    control_time,
    is_control,
    is_one_json_text,
    json_field,
    json_type,
    parse_json,
    typed_field,
)
from tandem.engine.schema import CONTROL_TIME_FIELD, DeadLetterError, FieldType, Stream

# When it holds, the code and the detail.
_Rule = tuple[Column, DeadLetterError, str]


class Reasons:
    """Knows why records of a stream are no events.

    Its columns are built once: to build an expression of this size takes Python longer than Spark needs for a small
    batch.

    Args:
        stream: what an event must look like.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
    """

    def __init__(self, stream: Stream, *, max_clock_skew_seconds: int) -> None:
        late = f"more than {max_clock_skew_seconds} s after the record's Kafka timestamp"
        fields = stream.fields.items()
        # Each stage reads what the one before it has worked out.
        self._stages = (
            {"_json": parse_json(F.col("value"))},
            {f"_v_{name}": json_field(name) for name in stream.fields} | {"_control_time": control_time()},
            {f"_t_{name}": json_type(F.col(f"_v_{name}")) for name in stream.fields}
            | {f"_f_{name}": typed_field(name, kind) for name, kind in fields},
        )
        rules: list[_Rule] = [
            (F.coalesce(F.length("value") == 0, F.lit(True)), DeadLetterError.EMPTY_VALUE, "the record has no value"),
            (~F.is_valid_utf8(F.col("value").cast("string")), DeadLetterError.NOT_UTF8, "the value is not valid UTF-8"),
            (~is_one_json_text(), DeadLetterError.NOT_JSON, "the value is not one JSON text"),
            (
                json_type(F.try_variant_get("_json", "$[0]", "variant")) != "OBJECT",
                DeadLetterError.NOT_OBJECT,
                "the value is JSON but not an object",
            ),
            (is_control() & F.col("_control_time").isNull(), DeadLetterError.BAD_TIME, CONTROL_TIME_FIELD),
            # What parse did not take for a control record although its time can be read lies in the future.
            (is_control(), DeadLetterError.FUTURE_TIME, f"{CONTROL_TIME_FIELD}: {late}"),
            *(rule for name, kind in fields for rule in _field_rules(name, kind)),
            # All that is left: the fields are well-formed, so it was the event time.
            (F.lit(True), DeadLetterError.FUTURE_TIME, f"{stream.event_time}: {late}"),
        ]
        chain = F.when(rules[0][0], _reason(*rules[0][1:]))
        for condition, error, detail in rules[1:]:
            chain = chain.when(condition, _reason(error, detail))
        self._reason = {"_reason": chain}

    def added_to(self, rejected: DataFrame) -> DataFrame:
        """Returns the records with the columns ``error`` and ``detail``: the first rule that each of them breaks.

        The rules stand in the order of ``DeadLetterError``, those of fields in the order of the stream's fields. No
        detail holds content of the record.

        Args:
            rejected: records that ``parse`` set aside from this stream and that are not control records.
        """
        staged = rejected
        for stage in (*self._stages, self._reason):
            staged = staged.withColumns(stage)
        return staged.select(*rejected.columns, "_reason.error", "_reason.detail")


def _reason(error: DeadLetterError, detail: str) -> Column:
    return F.struct(F.lit(str(error)).alias("error"), F.lit(detail).alias("detail"))


def _field_rules(name: str, kind: FieldType) -> list[_Rule]:
    found, value = F.col(f"_t_{name}"), F.col(f"_f_{name}")
    rules: list[_Rule] = [
        (F.col(f"_v_{name}").isNull(), DeadLetterError.MISSING_FIELD, name),
        (found == "VOID", DeadLetterError.NULL_FIELD, name),
        (found != VARIANT_TYPE[kind], DeadLetterError.WRONG_TYPE, f"{name}: not of type {kind}"),
    ]
    if kind is FieldType.STRING:
        rules.append((value == "", DeadLetterError.EMPTY_FIELD, name))
    if kind is FieldType.TIMESTAMP:
        rules.append((value.isNull(), DeadLetterError.BAD_TIME, name))
    return rules
