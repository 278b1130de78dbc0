"""Avro: every record becomes exactly one event, control record or dead letter, whichever schema it was written by."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

from tandem.engine.declare.control_record import CONTROL_FIELD, CONTROL_KEY
from tandem.verify.reference import Accepted
from tests.avro import DEAD, EVENTS, HEADERS, SALES, sale
from tests.spark.answers import SENDER, Item, batches_of, engine_answers, outcome, reference_answers
from tests.spark.records import kafka_rows

CONTROL = json.dumps({CONTROL_FIELD: SENDER, "event_time": "2026-11-22T12:00:00Z"}).encode()
# All in one batch: what one record is must not depend on those beside it.
ITEMS: dict[str, tuple[Item, Any]] = {
    **{name: (value, Accepted(fields)) for name, (value, fields) in EVENTS.items()},
    **DEAD,
    "control in the future": (
        (CONTROL_KEY, CONTROL.replace(b"T12", b"T13")),
        "future_time",
    ),
    "json under the key of control records": ((CONTROL_KEY, b"{}"), "not_avro"),
    "an event under the key of control records": (
        (CONTROL_KEY, EVENTS["newest"][0]),
        Accepted(EVENTS["newest"][1]),
    ),
}


def test_all_in_one_batch(spark: SparkSession) -> None:
    items = [item for item, _ in ITEMS.values()]
    expected = {name: answer for name, (_, answer) in ITEMS.items()}
    found = zip(ITEMS, engine_answers(spark, SALES, items), strict=True)
    assert {name: outcome(answer) for name, answer in found} == expected
    found = zip(ITEMS, reference_answers(SALES, items), strict=True)
    assert {name: outcome(answer) for name, answer in found} == expected


def test_control_records_are_json_in_any_stream(spark: SparkSession) -> None:
    items: list[Item] = [(CONTROL_KEY, CONTROL), (None, CONTROL)]
    found = engine_answers(spark, SALES, items)
    assert found[0] == reference_answers(SALES, items)[0]
    assert outcome(found[1]) == "not_avro"


values = st.sampled_from(
    [value for value, _ in EVENTS.values()] + [value for value, _ in DEAD.values() if value is not None]
)
damaged = st.tuples(values, st.integers(8, 80), st.binary(max_size=3), st.integers(0, 3)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + parts[3] :]
)
noise = st.tuples(st.sampled_from(sorted(HEADERS.values())), st.binary(max_size=60)).map(b"".join)
keys = st.sampled_from([None, b"", CONTROL_KEY])
any_record = st.tuples(keys, damaged | noise | st.binary(max_size=20))


def test_any_bytes_end_once_and_alike(spark: SparkSession) -> None:
    kinds = set()

    # The same examples every time; each costs two Spark jobs, so a failing one is shown as it is, not made smaller.
    @settings(
        max_examples=batches_of(100, 12),
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(items=st.lists(any_record, min_size=100, max_size=160))
    def compare(items: list[Item]) -> None:
        found, expected = engine_answers(spark, SALES, items), reference_answers(SALES, items)
        differing = [(i, f, e) for i, f, e in zip(items, found, expected, strict=True) if outcome(f) != outcome(e)]
        assert differing == []
        kinds.update(type(answer).__name__ for answer in found)

    compare()
    # It would be too easy to agree that all of it is dead.
    assert kinds >= {"Accepted", "Dead"}


def test_without_the_end_behind_it_what_follows_a_record_would_be_ignored(spark: SparkSession) -> None:
    """The negative control of the frame."""
    assert SALES.format is not None
    schema = json.dumps(SALES.format.newest.schema)
    rows = kafka_rows(spark, SALES.topic, [sale(5) + b"garbage"])
    read = rows.select(from_avro(F.substring("value", 11, 1000), schema, {"mode": "PERMISSIVE"}).alias("read"))
    assert read.where(F.col("read.id") == "s").count() == 1
