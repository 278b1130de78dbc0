"""What a driver reads by Spark's file systems: its configuration, and the file that tells it to stop."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from tandem.engine.run.stop_file import StopFile
from tandem.engine.spark.file_system import appeared, exists, read_text


def test_paths_and_uris_are_read_alike(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text('{"käse": 1}', "utf-8")
    assert read_text(spark, str(file)) == read_text(spark, f"file://{file}") == '{"käse": 1}'
    assert exists(spark, f"file://{file}")
    assert not exists(spark, f"file://{file}.none")
    with pytest.raises(Py4JJavaError):
        read_text(spark, f"file://{file}.none")


def test_the_job_begins_once_the_file_is_there_or_not_at_all(spark: SparkSession, tmp_path: Path) -> None:
    begun, given_up = tmp_path / "begun", threading.Event()
    toucher = threading.Timer(0.2, begun.touch)
    toucher.start()
    assert appeared(spark, f"file://{begun}", given_up)
    assert begun.exists()
    given_up.set()
    assert not appeared(spark, f"file://{begun}", given_up)


def test_the_job_stops_once_the_file_exists(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.engine.run.stop_file.EVERY_S", 0.05)
    looks: list[bool] = []

    def look(session: SparkSession, location: str) -> bool:
        looks.append(exists(session, location))
        if len(looks) == 1:
            # A file system that does not answer for once is no reason to stop, or to stop looking.
            raise OSError("for this test")
        if len(looks) == 2:
            (tmp_path / "stop").touch()
        return looks[-1]

    monkeypatch.setattr("tandem.engine.run.stop_file.exists", look)
    stopping = threading.Event()
    StopFile(spark, f"file://{tmp_path}/stop", stopping.set).start()
    assert stopping.wait(60)
    assert looks == [False, False, True]
