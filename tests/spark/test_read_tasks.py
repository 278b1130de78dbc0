"""How many tasks read a topic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkConf, SparkContext
from pyspark.sql import DataFrame, SparkSession

from tandem.engine.read.kafka_source import in_few_tasks

ROWS = 1_000


def on_a_cluster(spark: SparkSession, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    told: Any = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    monkeypatch.setattr(SparkContext, "getConf", lambda _: told)
    monkeypatch.setattr(spark.sparkContext, "master", "spark://spark-master:7077")


def streamed(rows: DataFrame, folder: Path) -> tuple[int, int, int]:
    """Returns the partitions and distinct rows of a stream's first batch, and the rows that Spark counted."""
    found: list[tuple[int, int]] = []

    def count(batch: DataFrame, _batch_id: int) -> None:
        found.append((batch.rdd.getNumPartitions(), batch.select("value").distinct().count()))

    writer = rows.writeStream.foreachBatch(count).option("checkpointLocation", str(folder))
    query = writer.trigger(availableNow=True).start()
    assert query.awaitTermination(60)
    ((partitions, distinct),) = found
    return partitions, distinct, query.recentProgress[0]["numInputRows"]


def records(spark: SparkSession, partitions: int) -> DataFrame:
    source = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", ROWS)
    return source.option("numPartitions", partitions).load()


# The session has two cores.
@pytest.mark.parametrize(("partitions", "tasks"), [(1, 1), (2, 2), (4, 2), (5, 2)])
def test_a_stream_has_no_more_tasks_than_cores_and_loses_no_row(
    spark: SparkSession, tmp_path: Path, partitions: int, tasks: int
) -> None:
    """Spark counts the rows of all partitions that a task reads; the job reports this number."""
    assert streamed(in_few_tasks(records(spark, partitions)), tmp_path) == (tasks, ROWS, ROWS)


@pytest.mark.parametrize("cores", ["1", "2"])
def test_state_keeps_its_partitions(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cores: str
) -> None:
    """The checkpoint has fixed their number."""
    own = spark.newSession()
    own.conf.set("spark.sql.shuffle.partitions", "3")
    on_a_cluster(own, monkeypatch, {"spark.cores.max": cores})
    once = in_few_tasks(records(own, 4)).dropDuplicates(["value"])
    assert streamed(once, tmp_path) == (3, ROWS, ROWS)


@pytest.mark.parametrize(("settings", "tasks"), [({}, 4), ({"spark.cores.max": "3"}, 3)])
def test_a_cluster_has_as_many_tasks_as_partitions_unless_its_cores_are_known(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], tasks: int
) -> None:
    on_a_cluster(spark, monkeypatch, settings)
    assert in_few_tasks(spark.range(0, 100, 1, 4)).rdd.getNumPartitions() == tasks
