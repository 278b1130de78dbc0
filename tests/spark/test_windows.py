"""Which aggregates ``reconcile`` puts right, with collections in memory."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from tandem.engine.run import final_windows as windows
from tandem.engine.run.final_windows import FinalWindows
from tandem.engine.spark.dates import as_stored
from tandem.pipeline import Output
from tests.spark.records import ARRIVED, job_config

EVENTS = "at timestamp, amount bigint"
DOCUMENTS = "_id string, begin timestamp, end timestamp, total bigint"


def minute(number: int, total: int) -> tuple[Any, ...]:
    begin = ARRIVED + timedelta(minutes=number)
    return f"{number}", begin, begin + timedelta(minutes=1), total


def summed(events: DataFrame) -> DataFrame:
    """Returns the total of each minute."""
    number = ((F.unix_seconds("at") - int(ARRIVED.timestamp())) / 60).cast("int").cast("string")
    rows = events.groupBy(F.window("at", "1 minute").alias("w"), number.alias("_id"))
    total = rows.agg(F.sum("amount").alias("total"))
    return total.select("_id", F.col("w.start").alias("begin"), F.col("w.end").alias("end"), "total")


RICH = (
    "_id string NOT NULL, begin timestamp, end timestamp, prices map<string, decimal(5,2)>, "
    "`two words` struct<`it's`: array<timestamp>, `a.b`: map<string, struct<at: timestamp, n: int>>>"
)


def rich(identity: str, at: datetime, prices: dict[str, Any], **changes: Any) -> tuple[Any, ...]:
    inner = {"it's": [at], "a.b": {"x": {"at": at, "n": None}, "y": {"at": None, "n": 1}}}
    return identity, ARRIVED, ARRIVED + timedelta(minutes=1), prices, {**inner, **changes}


def test_aggregates_of_any_type_are_compared(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """MongoDB has milliseconds, no order of a map's keys, and nothing that is null inside of something."""
    sent, kept = ARRIVED + timedelta(microseconds=1234), ARRIVED + timedelta(milliseconds=1)
    one, two = Decimal("1.00"), Decimal("2.00")
    expected = [
        rich("same", sent, {"a": one, "b": two, "c": None}),
        rich("map", sent, {"a": one, "b": two}),
        rich("time", sent, {}),
        rich("nested", sent, {}),
        (*rich("null", sent, {})[:3], None, None),
        rich("new", sent, {}),
    ]
    stored = [
        rich("same", kept, {"b": two, "a": one}),
        rich("map", kept, {"a": one, "b": one}),
        rich("time", kept + timedelta(milliseconds=1), {}),
        rich("nested", kept, {}, **{"a.b": {"x": {"at": kept, "n": 5}, "y": {"at": None, "n": 1}}}),
        (*rich("null", sent, {})[:3], None, None),
        rich("surplus", kept, {}),
    ]
    kind = StructType.fromDDL(RICH)
    taken: list[DataFrame] = []
    schemas: list[StructType] = []

    def read(*arguments: Any) -> DataFrame:
        schemas.append(arguments[3])
        return spark.createDataFrame(stored, kind)  # type: ignore[arg-type]

    monkeypatch.setattr(windows, "read_collection", read)
    monkeypatch.setattr(windows, "write_documents", lambda documents, *_, **__: taken.append(documents))
    monkeypatch.setattr(windows, "MongoCollection", lambda *_: SimpleNamespace(delete_ids=len))
    documents = spark.createDataFrame(expected, kind)  # type: ignore[arg-type]
    report: dict[str, Any] = {"compared": {}, "inserted": {}, "replaced": {}, "removed": {}}
    output = Output("minutes", summed, window=("begin", "end"))
    watermark = ARRIVED + timedelta(minutes=1)
    FinalWindows(spark, job_config("p"), output, ("begin", "end"), documents, lambda: None, watermark).repair(report)
    assert report == {
        "compared": {"minutes": 6},
        "inserted": {"minutes": 1},
        "replaced": {"minutes": 3},
        "removed": {"minutes": 1},
    }
    (wrong,), (schema,) = taken, schemas
    assert sorted(row["_id"] for row in wrong.collect()) == ["map", "nested", "new", "time"]
    assert wrong.schema == schema == documents.schema
    # What is read may lack anything.
    assert all(field.nullable for field in as_stored(schema))


@pytest.fixture
def topic(spark: SparkSession, tmp_path: Path) -> Path:
    """Events of the minutes 0, 1 and 2, each of which retention may remove."""
    for name, second, amount in (("a", 0, 1), ("b", 30, 2), ("c", 60, 4), ("d", 120, 8)):
        row = (ARRIVED + timedelta(seconds=second), amount)
        spark.createDataFrame([row], EVENTS).coalesce(1).write.parquet(str(tmp_path / "topic" / name))
    return tmp_path / "topic"


@pytest.mark.parametrize(
    ("since_minute", "found", "written", "removed"),
    [
        (None, [minute(0, 3), minute(1, 4)], {}, []),
        # One is missing, one differs, one is of no event.
        (None, [minute(1, 5), minute(-1, 1)], {"0": 3, "1": 4}, ["-1"]),
        # Of what began before, not all events are known.
        (1, [minute(0, 99), minute(-1, 1)], {"1": 4}, []),
    ],
)
def test_what_is_put_right(
    spark: SparkSession,
    topic: Path,
    monkeypatch: pytest.MonkeyPatch,
    since_minute: int | None,
    found: list[tuple[Any, ...]],
    written: dict[str, int],
    removed: list[str],
) -> None:
    taken, gone = {}, []

    class MongoCollection:
        def __init__(self, *_: object) -> None:
            pass

        def delete_ids(self, ids: list[str]) -> int:
            gone.extend(ids)
            return len(ids)

    def write(documents: DataFrame, *_: object, **__: object) -> None:
        taken.update({row["_id"]: row["total"] for row in documents.collect()})

    monkeypatch.setattr(windows, "read_collection", lambda *_: spark.createDataFrame(found, DOCUMENTS))
    monkeypatch.setattr(windows, "write_documents", write)
    monkeypatch.setattr(windows, "MongoCollection", MongoCollection)
    files = spark.read.schema(EVENTS).option("recursiveFileLookup", "true").option("ignoreMissingFiles", "true")

    def since() -> int | None:
        # Retention comes just behind whoever asks how far it has come.
        for part in (topic / "a").glob("*.parquet"):
            part.unlink()
        begin = ARRIVED + timedelta(minutes=since_minute or 0)
        return None if since_minute is None else int(begin.timestamp() * 1000)

    documents = summed(files.parquet(str(topic)))
    output = Output("minutes", summed, window=("begin", "end"))
    # The last minute is not over.
    watermark = ARRIVED + timedelta(seconds=150)
    report: dict[str, Any] = {"compared": {}, "inserted": {}, "replaced": {}, "removed": {}}
    FinalWindows(spark, job_config("p"), output, ("begin", "end"), documents, since, watermark).repair(report)
    assert taken == written
    assert gone == removed
    there = {row[0] for row in found}
    assert report["inserted"]["minutes"] == len(written.keys() - there)
    assert report["replaced"]["minutes"] == len(written.keys() & there)
