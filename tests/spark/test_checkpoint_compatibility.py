"""Whether a query fits its checkpoint is found before anything of it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from tandem.engine.declare.job_config import MUST_NOT_GO_ON
from tandem.engine.run.checkpoint_compatibility import misfit

Change = Callable[[DataFrame], DataFrame]


def counted(rows: DataFrame, *, by: str) -> DataFrame:
    return rows.groupBy(by).count()


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        (lambda rows: counted(rows, by="value").where("count > 1"), True),
        (lambda rows: counted(rows.select(F.length("value").alias("n")), by="n"), False),
        (lambda rows: rows.dropDuplicates(["value"]), False),
        (lambda rows: counted(rows.union(rows), by="value"), False),
    ],
    ids=["what is done with the result", "state", "operator", "sources"],
)
def test_a_change_of_the_query(spark: SparkSession, tmp_path: Path, change: Change, fits: bool) -> None:
    incoming, written = tmp_path / "in", tmp_path / "written"
    incoming.mkdir()

    def start(made: Change) -> Callable[[Callable[[DataFrame, int], None]], StreamingQuery]:
        def started(write: Callable[[DataFrame, int], None]) -> StreamingQuery:
            rows = made(spark.readStream.text(str(incoming)))
            query = rows.writeStream.outputMode("update").foreachBatch(write)
            return query.option("checkpointLocation", str(tmp_path / "checkpoint")).start()

        return started

    def write(batch: DataFrame, number: int) -> None:
        batch.write.json(str(written / str(number)))

    (incoming / "first.txt").write_text("a\nb\n")
    query = start(lambda rows: counted(rows, by="value"))(write)
    query.processAllAvailable()
    query.stop()
    (incoming / "second.txt").write_text("a\n")
    found = misfit(start(change), tmp_path / "pipeline")
    assert (found is None) == fits, found
    if found:
        assert "incompatible version of the pipeline" in found.reason
        assert found.exit_code == MUST_NOT_GO_ON
