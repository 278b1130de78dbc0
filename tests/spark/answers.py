"""What the engine and what the reference make of the same records."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tandem.engine.read.parse import ASIDE, IS_CONTROL, parse
from tandem.engine.read.reject import Reasons
from tandem.pipeline import Stream
from tandem.verify.reference import Accepted, Control, Dead, Validator
from tests.spark.records import ARRIVED, kafka_rows

Item = bytes | None | tuple[bytes | None, bytes | None]
SKEW = 300


def engine_answers(spark: SparkSession, stream: Stream, items: list[Item]) -> list[Accepted | Dead | Control]:
    """Returns what the engine makes of each record."""
    rows = parse(kafka_rows(spark, stream.topic, items), stream, max_clock_skew_seconds=SKEW)
    found = rows.select(
        *(F.unix_micros(n).alias(n) if k == "timestamp" else F.col(n) for n, k in stream.fields.items()), ASIDE
    ).collect()
    rejected = rows.where(~F.col(f"{ASIDE}.{IS_CONTROL}")).select(f"{ASIDE}.*")
    reasons = {
        row["offset"]: Dead(row["error"], row["detail"])
        for row in Reasons(stream, max_clock_skew_seconds=SKEW).added_to(rejected).collect()
    }
    answers: list[Accepted | Dead | Control] = []
    for row in found:
        if row[ASIDE] is None:
            answers.append(Accepted({name: row[name] for name in stream.fields}))
        elif row[ASIDE][IS_CONTROL]:
            answers.append(Control(row[stream.event_time]))
        else:
            assert all(row[name] is None for name in stream.fields), "a rejected record carries values"
            answers.append(reasons.pop(row[ASIDE]["offset"]))
    assert not reasons
    return answers


def reference_answers(stream: Stream, items: list[Item]) -> list[Accepted | Dead | Control]:
    """Returns what ``verify`` makes of each record."""
    validate = Validator(stream, max_clock_skew_seconds=SKEW)
    arrived = int(ARRIVED.timestamp() * 1000)
    return [validate(*(item if isinstance(item, tuple) else (None, item)), arrived) for item in items]


def outcome(answer: Accepted | Dead | Control) -> Any:
    """Returns what both must agree on."""
    return answer.error if isinstance(answer, Dead) else answer
