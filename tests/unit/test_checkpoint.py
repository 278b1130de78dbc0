"""What the job reads of its checkpoint, in the files that Spark writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from tandem.engine.declare.job_config import JobConfig, KafkaConfig, MongoConfig
from tandem.engine.spark.checkpoint import is_committed, last_planned, planned

OFFSETS = """v1
{"batchWatermarkMs":1795689599519,"batchTimestampMs":1795689899519,"conf":{"spark.sql.shuffle.partitions":"2"}}
{"orders":{"0":74,"1":90}}
-
{"payments":{"0":105}}"""


def config(folder: Path | str) -> JobConfig:
    return JobConfig(
        "orders_payments",
        KafkaConfig(""),
        MongoConfig("", ""),
        str(folder),
        300,
        300,
        idle_timeout_seconds=30,
        outage_tolerance_seconds=1800,
    )


def test_a_batch_has_the_offsets_of_all_sources_that_have_some_and_a_watermark(tmp_path: Path) -> None:
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / "7").write_text(OFFSETS)
    found = planned(cast(Any, None), config(tmp_path), 7)
    assert found.offsets == {"orders": {"0": 74, "1": 90}, "payments": {"0": 105}}
    assert (found.watermark_ms, found.at_ms) == (1795689599519, 1795689899519)
    assert found.spark == {"spark.sql.shuffle.partitions": "2"}


def test_a_damaged_file_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / "7").write_text(OFFSETS[:-3])
    with pytest.raises(ValueError, match="delimiter"):
        planned(cast(Any, None), config(tmp_path), 7)


def test_a_local_checkpoint_is_read_without_calls_to_java(tmp_path: Path) -> None:
    (tmp_path / "a%20b" / "offsets").mkdir(parents=True)
    (tmp_path / "a%20b" / "offsets" / "7").write_text(OFFSETS)
    (tmp_path / "a%20b" / "offsets" / ".8.tmp").write_text("")
    (tmp_path / "a%20b" / "commits").mkdir()
    (tmp_path / "a%20b" / "commits" / "6").write_text("v1")
    no_spark, local = cast(Any, None), config(f"file://{tmp_path}/a%20b")
    assert planned(no_spark, local, 7).watermark_ms == 1795689599519
    assert last_planned(no_spark, local) == 7
    assert [is_committed(no_spark, local, batch) for batch in (6, 7)] == [True, False]


@pytest.mark.parametrize("location", ["gs://bucket/checkpoint", "file:///none/checkpoint"])
def test_hadoop_looks_for_what_python_does_not_find(location: str) -> None:
    with pytest.raises(AttributeError, match="_jvm"):
        planned(cast(Any, object()), config(location), 7)
    with pytest.raises(AttributeError, match="_jvm"):
        last_planned(cast(Any, object()), config(location))
