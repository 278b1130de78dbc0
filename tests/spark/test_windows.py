"""Which aggregates ``reconcile`` puts right, with collections in memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.run import final_windows as windows
from tandem.engine.run.final_windows import FinalWindows
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
