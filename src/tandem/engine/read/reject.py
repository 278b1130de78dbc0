"""Finds the reason why a record was rejected."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.control_record import CONTROL_TIME_FIELD
from tandem.engine.declare.stream import DeadLetterError, RecordPart, Stream
from tandem.engine.read.field_reasons import reason_of
from tandem.engine.read.json_format import control_time, is_control
from tandem.engine.read.parse import TIMESTAMP, format_of, key_rules, time_rules
from tandem.engine.read.value_format import Rule


class Reasons:
    """The reasons why records of one stream are rejected.

    The columns are built once, because building expressions of this size takes longer than a small batch.

    Args:
        stream: the declaration of the events.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
    """

    def __init__(self, stream: Stream, *, max_clock_skew_seconds: int) -> None:
        late = f"more than {max_clock_skew_seconds} s after the record's Kafka timestamp"
        time = TIMESTAMP if isinstance(stream.event_time, RecordPart) else stream.event_time
        value_format = format_of(stream)
        # Each stage uses the columns of the previous one.
        self._stages = (*value_format.stages(), {"_control_time": control_time()})
        control: list[Rule] = [
            (is_control() & F.col("_control_time").isNull(), DeadLetterError.BAD_TIME, CONTROL_TIME_FIELD),
            # A control record with a readable time was rejected by parse only if that time is in the future.
            (is_control(), DeadLetterError.FUTURE_TIME, f"{CONTROL_TIME_FIELD}: {late}"),
        ]
        rules: list[Rule] = [
            (F.coalesce(F.length("value") == 0, F.lit(True)), DeadLetterError.EMPTY_VALUE, "the record has no value"),
            *control,
            *value_format.value_rules(),
        ]
        fields = [value_format.field_reason(name) for name in stream.fields]
        others: list[Rule] = [
            *key_rules(stream),
            *time_rules(stream),
            # The only reason left: all fields are valid, so the event time is in the future.
            (F.lit(True), DeadLetterError.FUTURE_TIME, f"{time}: {late}"),
        ]
        chain = F.coalesce(_first(rules), *fields, _first(others))
        self._reason = {"_reason": chain}

    def added_to(self, rejected: DataFrame) -> DataFrame:
        """Returns the records with the columns ``error`` and ``detail`` of the first broken rule.

        The rules are in the order of ``DeadLetterError``, and for fields in the order of the stream's fields. A detail
        contains no content of the record, except for the schema id of a schema registry.

        Args:
            rejected: records that ``parse`` set aside from this stream and that are not control records.
        """
        staged = rejected
        for stage in (*self._stages, self._reason):
            staged = staged.withColumns(dict(stage))
        return staged.select(*rejected.columns, "_reason.error", "_reason.detail")


def _first(rules: Sequence[Rule]) -> Column:
    """Returns the reason of the first rule that a record breaks.

    Null if it breaks none.
    """
    (condition, error, detail), *others = rules
    chain = F.when(condition, reason_of(error, detail))
    for condition, error, detail in others:
        chain = chain.when(condition, reason_of(error, detail))
    return chain
