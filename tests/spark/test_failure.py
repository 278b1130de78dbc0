"""What fails only when rows flow is told by the line of the pipeline's own code, and without what the rows hold."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from tandem.engine.declare.modules import forget
from tandem.engine.run.pipeline_loader import send_by_value
from tandem.engine.spark.failure import failure_of

CODE = """
from pyspark.sql import functions as F


@F.udf("int", useArrow=False)
def number(text):
    return parsed(text)


def parsed(text):
    return int(text)  # by a function in Python


def in_python(rows):
    return rows.select(number("value").alias("a"))


def in_spark(rows):
    return rows.select(
        "value",
        F.col("value").cast("int").alias("a"),  # by an expression
    )


def in_batch(rows):
    return rows.select(F.col("nowhere").alias("a"))  # by what becomes of a batch
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    package = tmp_path / "failing"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "transform.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("failing.transform")
    # The worker does not find it by its name.
    send_by_value("failing")
    yield module
    forget("failing")


@pytest.mark.parametrize(
    ("name", "mark", "error"),
    [
        ("in_python", "# by a function in Python", "ValueError"),
        ("in_spark", "# by an expression", "CAST_INVALID_INPUT"),
        ("in_batch", "# by what becomes of a batch", "AnalysisException"),
    ],
)
def test_the_line_is_reported(
    spark: SparkSession, code: ModuleType, tmp_path: Path, name: str, mark: str, error: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rows.txt").write_text("secret\n")
    function = getattr(code, name)

    def write(batch: DataFrame, _: int) -> None:
        (function(batch) if name == "in_batch" else batch).select("a").collect()

    rows = spark.readStream.text(str(tmp_path / "in"))
    query = (rows if name == "in_batch" else function(rows)).writeStream.foreachBatch(write)
    with pytest.raises(StreamingQueryException) as caught:
        query.option("checkpointLocation", str(tmp_path / "checkpoint")).start().awaitTermination(120)
    file = Path(str(code.__file__))
    line = CODE[: CODE.index(mark)].count("\n") + 1
    assert failure_of(caught.value, file.parent, fresh=True).reason == f"{file}:{line}: {error}"
