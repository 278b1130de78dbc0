"""What the job finds out of a checkpoint that Spark has written, and purged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.spark.checkpoint import is_committed, last_committed
from tests.spark.records import job_config


@pytest.fixture
def config(tmp_path: Path) -> JobConfig:
    return replace(job_config("orders_payments"), checkpoint=f"file://{tmp_path}/checkpoint")


def test_a_batch_is_committed_though_its_commit_was_purged(
    spark: SparkSession, config: JobConfig, tmp_path: Path
) -> None:
    assert not is_committed(spark, config, 0)
    incoming = tmp_path / "in"
    incoming.mkdir()
    for number in range(5):
        (incoming / f"{number}.txt").write_text("a\n")
    spark.conf.set("spark.sql.streaming.minBatchesToRetain", "2")
    try:
        rows = spark.readStream.option("maxFilesPerTrigger", "1").text(str(incoming))
        query = rows.writeStream.foreachBatch(lambda batch, _: batch.collect()).trigger(availableNow=True)
        query.option("checkpointLocation", config.checkpoint).start().awaitTermination()
    finally:
        spark.conf.unset("spark.sql.streaming.minBatchesToRetain")
    assert not (tmp_path / "checkpoint" / "commits" / "0").exists()
    assert last_committed(spark, config) == 4
    assert [is_committed(spark, config, batch) for batch in (0, 3, 4, 5)] == [True, True, True, False]
