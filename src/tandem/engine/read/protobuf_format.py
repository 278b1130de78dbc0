"""Reads Protobuf values in Confluent's wire format, by a function in Python.

Spark's ``from_protobuf`` is in a jar of its own, and gives no reason for an invalid record. So Spark passes each value
to ``ProtobufRecords``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from tandem.engine.declare.control_record import CONTROL_KEY
from tandem.engine.declare.kind import Record
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.spark_type import spark_type
from tandem.engine.declare.stream import DeadLetterError, Stream
from tandem.engine.read.field_reasons import NO_REASON
from tandem.engine.read.json_format import is_no_control, parse_json
from tandem.engine.read.protobuf_records import ProtobufRecords
from tandem.engine.read.value_format import Rule


class ProtobufFormat:
    """Reads Protobuf records after the prefix of a frozen schema.

    Args:
        stream: the declaration of the events.
        protobuf: the stream's schemas.
    """

    def __init__(self, stream: Stream, protobuf: Protobuf) -> None:
        answer = f"struct<fields: {spark_type(Record(stream.fields))}, error: string, detail: string, field: string>"
        # Arrow would need more packages on the cluster.
        self._read = F.udf(ProtobufRecords(stream.fields, protobuf), answer, useArrow=False)

    def columns(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.columns``."""
        control = F.when(F.col("key") == F.lit(CONTROL_KEY), parse_json(F.col("value")))
        return ({"_json": control, "_read": self._read(F.col("value"))},)

    def field(self, name: str) -> Column:
        """See ``ValueFormat.field``."""
        return F.col("_read")["fields"][name]

    def checks(self) -> Sequence[Column]:
        """See ``ValueFormat.checks``."""
        return [F.col("_read.error").isNull(), is_no_control()]

    def stages(self) -> Sequence[Mapping[str, Column]]:
        """See ``ValueFormat.stages``."""
        return self.columns()

    def value_rules(self) -> Sequence[Rule]:
        """See ``ValueFormat.value_rules``."""
        whole = (DeadLetterError.NOT_PROTOBUF, DeadLetterError.UNKNOWN_SCHEMA)
        return [(F.col("_read.error") == str(error), error, F.col("_read.detail")) for error in whole]

    def field_reason(self, name: str) -> Column:
        """See ``ValueFormat.field_reason``."""
        reason = F.struct(F.col("_read.error").alias("error"), F.col("_read.detail").alias("detail"))
        return F.when(F.col("_read.field") == name, reason).otherwise(F.lit(None).cast(NO_REASON))
