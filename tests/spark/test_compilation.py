"""A query interprets until it has much to do."""

import threading
from pathlib import Path

import pytest
from pyspark import SparkConf, SparkContext
from pyspark.sql import DataFrame, SparkSession

from tandem.engine.write.compilation import INTERPRETED, MANY, MANY_IN_ALL, Compilation


@pytest.fixture
def own(spark: SparkSession) -> SparkSession:
    """A session whose settings may be changed."""
    return spark.newSession()


def test_many_events_let_the_running_query_compile(own: SparkSession) -> None:
    compilation = Compilation(own)
    assert {name: own.conf.get(name) for name in INTERPRETED} == INTERPRETED
    batch = own.range(1)
    assert "*(1)" not in plan(own)
    compilation.note(batch, MANY - 1)
    assert "*(1)" not in plan(own)
    compilation.note(batch, MANY)
    assert "*(1)" in plan(own)
    compilation.note(batch, 0)
    assert "*(1)" in plan(own)


def test_many_small_batches_let_it_compile_too(own: SparkSession) -> None:
    compilation = Compilation(own)
    batch = own.range(1)
    *few, last = [MANY // 2] * (MANY_IN_ALL // (MANY // 2))
    for events in few:
        compilation.note(batch, events)
    assert "*(1)" not in plan(own)
    compilation.note(batch, last)
    assert "*(1)" in plan(own)


def test_a_driver_that_must_not_compile_never_does(own: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_stage = next(iter(INTERPRETED))
    told = SparkConf(loadDefaults=False).set(whole_stage, "false")
    monkeypatch.setattr(SparkContext, "getConf", lambda _: told)
    compilation = Compilation(own)
    compilation.note(own.range(1), MANY)
    assert "*(1)" not in plan(own)


def plan(session: SparkSession) -> str:
    """How Spark would do something simple; a star marks what is compiled."""
    return str(session.range(3).selectExpr("id + 1")._jdf.queryExecution().executedPlan())


def test_it_is_the_running_query_that_changes(own: SparkSession, tmp_path: Path) -> None:
    compilation = Compilation(own)
    whole_stage = next(iter(INTERPRETED))
    found: list[str | None] = []
    twice = threading.Event()

    def write(batch: DataFrame, batch_id: int) -> None:
        found.append(batch.sparkSession.conf.get(whole_stage))
        compilation.note(batch, MANY)
        if len(found) == 2:
            twice.set()

    rows = own.readStream.format("rate-micro-batch").option("rowsPerBatch", 1).load()
    query = rows.writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path)).start()
    try:
        assert twice.wait(60)
    finally:
        query.stop()
    assert found[:2] == ["false", "true"]
