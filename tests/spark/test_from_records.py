"""`tandem new --from`: Spark makes the documents that the new pipeline declares and that its oracle expects."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from tandem.catalog import PipelineLocation
from tandem.engine.read.parse import ASIDE, parse
from tandem.engine.write.document_schema import documents_of
from tandem.producer.record_plan import Mix, Plan
from tandem.producer.sample import sample
from tandem.scaffold.chosen import Choice
from tandem.scaffold.from_records import Request, write_from
from tandem.scaffold.joining import JoinChoice
from tandem.verify.reference import Accepted, Validator
from tests.spark.records import kafka_rows
from tests.unit.test_from_records import no_kafka, save

NONE = Choice()
ARRIVED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

ODD = {
    "_id": "a",
    "kind": "x",
    "a.b": 1,
    "$set": True,
    "two words": 1.25,
    "it's": [[1], []],
    "back`tick": None,
    "class": {"d.e": "2026-01-01", "`": [{"n": 1}], "größe": {}},
    "identity": "i",
    "ts": 1764000000123456,
}
ORDERS = [{"order_id": f"o{n}", "ts": 1764000000 + n, "amount": 5.25, "kind": "k"} for n in range(3)]
PAYMENTS = [{"payment_id": f"p{n}", "order_id": f"o{n}", "ts": 1764000000 + n, "amount": 5.25} for n in range(2)]
NUMBERED = [{"id": n, "at": "2026-01-01T00:00:00Z", "x": None} for n in range(3)]
AS_TEXT = [{"uuid": f"u{n}", "order_id": str(n), "at": "2026-01-01T00:00:00Z"} for n in range(3)]
NESTED = [{"payload": {"order": {"id": f"o{n}"}, "at": 1764000000000 + n}} for n in range(3)]
REFERRING = [{"data": {"order": f"o{n}"}, "n": n} for n in range(3)]
KEYLESS = [{"price": 1.5, "city": "x"}, {"price": 1.5, "city": "y"}]
LINES = [{"order_id": f"o{n // 2}", "line_no": n % 2, "ordered_on": "2026-01-01"} for n in range(4)]

CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]] | None, JoinChoice]] = {
    "odd names": ([ODD], None, JoinChoice(NONE, NONE, None)),
    "no identity and no time": (KEYLESS, None, JoinChoice(NONE, NONE, None)),
    "two fields": (LINES, None, JoinChoice(NONE, NONE, None)),
    "a join": (ORDERS, PAYMENTS, JoinChoice(NONE, NONE, None)),
    "the other way round": (PAYMENTS, ORDERS, JoinChoice(NONE, NONE, None)),
    "both identified by the key": (ORDERS, ORDERS, JoinChoice(NONE, Choice(("order_id",)), "order_id")),
    "a number and a text": (NUMBERED, AS_TEXT, JoinChoice(NONE, NONE, "id=order_id")),
    "a text and a number": (AS_TEXT, NUMBERED, JoinChoice(Choice(("order_id",)), NONE, "order_id=id")),
    "nested": (NESTED, REFERRING, JoinChoice(NONE, Choice(("n",)), "payload.order.id=data.order")),
    "odd names on both sides": ([ODD], [{**ODD, "id": 1}], JoinChoice(NONE, Choice(("id",)), "_id")),
    "lines of orders": (ORDERS, LINES, JoinChoice(NONE, NONE, None)),
    "no identity on one side": (ORDERS, [{"order_id": "o1"}, {"order_id": "o1", "n": 1}], JoinChoice(NONE, NONE, None)),
}


@pytest.mark.parametrize("case", CASES)
def test_spark_makes_what_is_declared_and_expected(spark: SparkSession, case: str, tmp_path: Path) -> None:
    location = new(case, tmp_path)
    pipeline = location.module("transform").PIPELINE
    plan = Plan(seed=7, count=60, start=ARRIVED.replace(hour=1), mix=Mix(late=0, malformed=0))
    accepted: dict[str, dict[str, Any]] = {}
    rows: list[DataFrame] = []
    for stream in pipeline.streams:
        records = list(sample(plan, stream, location.module("generator").events))
        validate = Validator(stream, max_clock_skew_seconds=0)
        events = accepted[stream.name] = {}
        for record in records:
            found = validate(record.key, record.value, int(ARRIVED.timestamp() * 1000))
            assert isinstance(found, Accepted), record
            events[str(found.fields[stream.identity_column])] = found.fields
        values = [(each.key, each.value) for each in dict.fromkeys(records) if each.kind != "repeat"]
        parsed = parse(kafka_rows(spark, stream.topic, values), stream, max_clock_skew_seconds=0)
        rows.append(parsed.where(f"{ASIDE} is null").drop(ASIDE))
    parameters = {} if len(rows) == 1 else {"match_window_seconds": 1800}
    documents = documents_of(pipeline, pipeline.transform(*rows, **parameters))
    found = {name: {row["_id"] for row in each.select("_id").collect()} for name, each in documents.items()}
    expected = location.module("oracle").expect(
        accepted, watermark_ms=2**53, late=set(), observed={name: set() for name in documents}, **parameters
    )
    assert found == {name: set(each) for name, each in expected.documents.items()}
    assert any(found.values())
    # A time in the past is far from the time at which a record arrives.
    is_dated = {isinstance(each.event_time, str) for each in pipeline.streams}
    assert len(is_dated) > 1 or all(found.values())


@pytest.mark.parametrize("case", CASES)
def test_the_new_pipelines_own_tests_pass(spark: SparkSession, case: str, tmp_path: Path) -> None:
    location = new(case, tmp_path)
    tests = location.module("test_shop")
    if hasattr(tests, "test_events_are_matched_in_time"):
        test = tests.test_events_are_matched_in_time
        for arguments in test.pytestmark[0].args[1]:
            test(spark, *arguments)
    else:
        for name in [name for name in vars(tests) if name.startswith("test_")]:
            getattr(tests, name)(**({"spark": spark} if "spark" in name else {}))


def new(case: str, folder: Path) -> PipelineLocation:
    """Returns the pipeline of a case, in a package of its own: modules are imported once."""
    records, join, choice = CASES[case]
    save(folder / "orders.jsonl", records)
    save(folder / "others.jsonl", join or [])
    own = folder / f"own_{abs(hash(str(folder)))}_pipelines"
    request = Request(str(folder / "orders.jsonl"), str(folder / "others.jsonl") if join else None, choice)
    importlib.invalidate_caches()
    return write_from("shop", own, request, kafka=no_kafka, now_ms=1_800_000_000_000).location
