"""What the engine and what the reference make of the same records."""

from __future__ import annotations

import os
from decimal import Decimal as Exact
from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.field_name import quoted
from tandem.engine.declare.kind import Array, Decimal, Kind, Map, Record, Timestamp
from tandem.engine.read.parse import ASIDE, IS_CONTROL, parse
from tandem.engine.read.reject import Reasons
from tandem.pipeline import FieldType, Stream
from tandem.verify.reference import Accepted, Control, Dead, Validator
from tests.spark.records import ARRIVED, kafka_rows

Item = bytes | None | tuple[bytes | None, bytes | None]
SKEW = 300
# The job that reads the records.
SENDER = "mart/mine"
_EXACT = "exact number"


def batches_of(records: int, default: int) -> int:
    """Returns how many batches of so many records a property test tries.

    ``TYPE_EXAMPLES`` is the number of records for each test. This tries ten thousand for each format::

        TYPE_EXAMPLES=10000 scripts/test spark -k alike

    Args:
        records: the least number of records in a batch.
        default: the number of batches without the variable.
    """
    wanted = os.environ.get("TYPE_EXAMPLES")
    return -(-int(wanted) // records) if wanted else default


def engine_answers(spark: SparkSession, stream: Stream, items: list[Item]) -> list[Accepted | Dead | Control]:
    """Returns what the engine makes of each record."""
    rows = parse(kafka_rows(spark, stream.topic, items), stream, max_clock_skew_seconds=SKEW, sender=SENDER)
    kinds: dict[str, Kind] = dict(stream.fields)
    kinds.setdefault(stream.time_column, FieldType.TIMESTAMP)
    kinds.setdefault(stream.identity_column, FieldType.STRING)
    found = rows.select(*(_plain(F.col(quoted(n)), k).alias(n) for n, k in kinds.items()), ASIDE).collect()
    rejected = rows.where(~F.col(f"{ASIDE}.{IS_CONTROL}")).select(f"{ASIDE}.*")
    reasons = {
        row["offset"]: Dead(row["error"], row["detail"])
        for row in Reasons(stream, max_clock_skew_seconds=SKEW).added_to(rejected).collect()
    }
    answers: list[Accepted | Dead | Control] = []
    for row in found:
        if row[ASIDE] is None:
            answers.append(Accepted({name: _python(row[name]) for name in kinds}))
        elif row[ASIDE][IS_CONTROL]:
            answers.append(Control(row[stream.time_column]))
        else:
            assert all(row[name] is None for name in kinds), "a rejected record carries values"
            answers.append(reasons.pop(row[ASIDE]["offset"]))
    assert not reasons
    return answers


def _plain(value: Column, kind: Kind) -> Column:
    """Returns times as microseconds: Python has no year 0 and none after 9999."""
    match kind:
        case Timestamp():
            return F.unix_micros(value)
        case Array():
            return F.transform(value, lambda item: _plain(item, kind.items))
        case Map():
            return F.transform_values(value, lambda _, item: _plain(item, kind.values))
        case Decimal():
            # Spark gives Python 6E-34 as 600E-36; a text keeps the scale.
            return F.when(value.isNotNull(), F.struct(value.cast("string").alias(_EXACT)))
        case Record():
            fields = (_plain(value[name], each).alias(name) for name, each in kind.fields.items())
            return F.when(value.isNotNull(), F.struct(*fields))
        case _:
            return value


def _python(value: Any) -> Any:
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, list):
        return [_python(item) for item in value]
    if isinstance(value, dict):
        return {key: _python(item) for key, item in value.items()}
    if not hasattr(value, "asDict"):
        return value
    fields = value.asDict()
    return Exact(fields[_EXACT]) if fields.keys() == {_EXACT} else _python(fields)


def reference_answers(stream: Stream, items: list[Item]) -> list[Accepted | Dead | Control]:
    """Returns what ``verify`` makes of each record."""
    validate = Validator(stream, max_clock_skew_seconds=SKEW, sender=SENDER)
    arrived = int(ARRIVED.timestamp() * 1000)
    return [validate(*(item if isinstance(item, tuple) else (None, item)), arrived) for item in items]


def outcome(answer: Accepted | Dead | Control) -> Any:
    """Returns what both must agree on."""
    return answer.error if isinstance(answer, Dead) else answer


def same(found: Accepted | Dead | Control, expected: Accepted | Dead | Control) -> bool:
    """Returns whether the engine and the reference agree: in the values and their types, or in error and path."""
    if isinstance(found, Dead) and isinstance(expected, Dead):
        named = found.detail == expected.detail or found.detail.startswith(f"{expected.detail}: ")
        return found.error == expected.error and (named or not expected.detail)
    return type(found) is type(expected) and _sorted(found) == _sorted(expected)


def _sorted(value: Any) -> str:
    """Returns a text in which types show and the order of names does not."""
    if isinstance(value, Accepted):
        return _sorted(value.fields)
    if isinstance(value, dict):
        return str(sorted((name, _sorted(each)) for name, each in value.items()))
    return str([_sorted(each) for each in value]) if isinstance(value, list) else repr(value)
