"""The settings that decide which documents exist, and where, are those that a checkpoint was begun with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from tandem.engine.declare.job_config import MUST_NOT_GO_ON, JobConfig, KafkaConfig, MongoConfig
from tandem.engine.declare.stream import RECORD_FILE
from tandem.engine.run import job
from tandem.engine.run.checkpoint_compatibility import changed, record
from tandem.pipeline import Pipeline
from tandem.pipelines.orders_payments.transform import PIPELINE
from tests.spark.records import job_config

BEGUN = replace(job_config("orders_payments", match_window_seconds=1800), mongo=MongoConfig("", "mart"))


def transform(orders: DataFrame, payments: DataFrame, *, a: int = 1, b: str = "x", c: Any = object) -> DataFrame:
    raise NotImplementedError


OTHER = replace(PIPELINE, transform=transform)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """One of which a batch was planned."""
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / "0").touch()
    return tmp_path


def at(folder: Path, config: JobConfig = BEGUN) -> JobConfig:
    return replace(config, checkpoint=f"file://{folder}")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            replace(BEGUN, parameters={"match_window_seconds": 60}),
            "job.parameters.match_window_seconds is 60, but the checkpoint was begun with 1800; "
            "set it back (TANDEM_JOB__PARAMETERS__MATCH_WINDOW_SECONDS=1800), or start with a new checkpoint",
        ),
        (replace(BEGUN, lateness_seconds=1), "job.lateness_seconds is 1, but the checkpoint was begun with 300"),
        (replace(BEGUN, max_clock_skew_seconds=0), "job.max_clock_skew_seconds is 0, but"),
        (
            replace(BEGUN, mongo=MongoConfig("", "other")),
            'mongo.database is "other", but the checkpoint was begun with "mart"; set it back '
            "(TANDEM_MONGO__DATABASE=mart), or start with a new checkpoint; otherwise what earlier records produced",
        ),
    ],
    ids=["parameter", "lateness", "clock skew", "database"],
)
def test_another_value_is_refused(spark: SparkSession, checkpoint: Path, other: JobConfig, words: str) -> None:
    record(spark, PIPELINE, at(checkpoint))
    assert changed(spark, PIPELINE, at(checkpoint)) is None
    failure = changed(spark, PIPELINE, at(checkpoint, other))
    assert failure is not None
    assert failure.exit_code == MUST_NOT_GO_ON
    assert words in failure.reason
    assert "\n" not in failure.reason


FIRST, SECOND = PIPELINE.outputs
RENAMED = replace(FIRST, collection="renamed", superseded_by=None)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            replace(PIPELINE, dead_letter_topic="renamed"),
            'dead_letter_topic is "renamed", but the checkpoint was begun with "orders_payments_dead_letter_v1"; set '
            "it back in the pipeline's declaration, or start with a new checkpoint",
        ),
        (
            replace(PIPELINE, outputs=(RENAMED,)),
            'collections is ["renamed"], but the checkpoint was begun with ["orders_data_process_fact", '
            '"orders_data_process_unmatched"]; set it back',
        ),
        (replace(PIPELINE, outputs=(FIRST, SECOND, RENAMED)), '"renamed"], but the checkpoint was begun with'),
    ],
    ids=["dead-letter topic", "renamed collection", "further collection"],
)
def test_another_place_of_documents_is_refused(
    spark: SparkSession, checkpoint: Path, other: Pipeline, words: str
) -> None:
    record(spark, PIPELINE, at(checkpoint))
    failure = changed(spark, other, at(checkpoint))
    assert failure is not None
    assert failure.exit_code == MUST_NOT_GO_ON
    assert words in failure.reason
    assert "\n" not in failure.reason


def test_a_collection_that_is_no_longer_written_may_not_come_back(spark: SparkSession, checkpoint: Path) -> None:
    fewer = replace(PIPELINE, outputs=(FIRST,))
    record(spark, PIPELINE, at(checkpoint))
    assert changed(spark, fewer, at(checkpoint)) is None
    record(spark, fewer, at(checkpoint))
    assert changed(spark, PIPELINE, at(checkpoint)) is not None


@pytest.mark.parametrize(
    ("pipeline", "before", "now"),
    [
        (PIPELINE, {"match_window_seconds": 1800}, {}),
        (PIPELINE, {}, {"match_window_seconds": 1800}),
        (OTHER, {"a": 2, "b": "y"}, {"b": "y", "a": 2}),
        (OTHER, {"a": 1}, {"b": "x"}),
    ],
    ids=["default", "default written out", "order", "each a default"],
)
def test_the_same_values_are_equal(
    spark: SparkSession, checkpoint: Path, pipeline: Pipeline, before: dict[str, Any], now: dict[str, Any]
) -> None:
    record(spark, pipeline, at(checkpoint, replace(BEGUN, parameters=before)))
    assert changed(spark, pipeline, at(checkpoint, replace(BEGUN, parameters=now))) is None


def test_what_does_not_decide_may_change(spark: SparkSession, checkpoint: Path) -> None:
    record(spark, PIPELINE, at(checkpoint))
    other = replace(
        BEGUN,
        idle_timeout_seconds=1,
        kafka=KafkaConfig("other:9092"),
        mongo=MongoConfig("mongodb://other", "mart", "other user"),
        trigger_seconds=1,
    )
    assert changed(spark, PIPELINE, at(checkpoint, other)) is None


@pytest.mark.parametrize("text", [None, "{"], ids=["none", "damaged"])
def test_a_checkpoint_without_a_record_gets_one(spark: SparkSession, checkpoint: Path, text: str | None) -> None:
    if text is not None:
        (checkpoint / RECORD_FILE).write_text(text)
    assert changed(spark, PIPELINE, at(checkpoint)) is None
    record(spark, PIPELINE, at(checkpoint))
    assert json.loads((checkpoint / RECORD_FILE).read_text()) == {
        "job.lateness_seconds": 300,
        "job.max_clock_skew_seconds": 300,
        "job.parameters.match_window_seconds": 1800,
        "mongo.database": "mart",
        "collections": ["orders_data_process_fact", "orders_data_process_unmatched"],
        "dead_letter_topic": "orders_payments_dead_letter_v1",
    }


def test_a_checkpoint_of_an_earlier_version_gets_what_its_record_lacks(spark: SparkSession, checkpoint: Path) -> None:
    (checkpoint / RECORD_FILE).write_text('{"job.lateness_seconds": 300}')
    other = at(checkpoint, replace(BEGUN, mongo=MongoConfig("", "other")))
    assert changed(spark, PIPELINE, other) is None
    record(spark, PIPELINE, other)
    failure = changed(spark, PIPELINE, at(checkpoint))
    assert failure is not None
    assert 'mongo.database is "mart", but the checkpoint was begun with "other"' in failure.reason


def test_until_a_batch_is_planned_any_value_is_recorded(spark: SparkSession, tmp_path: Path) -> None:
    other = at(tmp_path, replace(BEGUN, lateness_seconds=1))
    record(spark, PIPELINE, at(tmp_path))
    assert changed(spark, PIPELINE, other) is None
    record(spark, PIPELINE, other)
    assert json.loads((tmp_path / RECORD_FILE).read_text())["job.lateness_seconds"] == 1


def test_a_deployment_is_refused_before_the_old_job_is_stopped(
    spark: SparkSession, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(spark, PIPELINE, at(checkpoint))
    monkeypatch.setattr(spark, "stop", lambda: None)
    assert job.fit(spark, PIPELINE, at(checkpoint, replace(BEGUN, lateness_seconds=1))) == MUST_NOT_GO_ON
    assert "job.lateness_seconds is 1, but the checkpoint was begun with 300" in capsys.readouterr().out


STATE_STORE = "spark.sql.streaming.stateStore.providerClass"
JOIN_FORMAT = "spark.sql.streaming.join.stateFormatVersion"


def begun_with(checkpoint: Path, spark_settings: dict[str, str]) -> None:
    about = {"batchWatermarkMs": 0, "batchTimestampMs": 0, "conf": spark_settings}
    (checkpoint / "offsets" / "1").write_text(f"v1\n{json.dumps(about)}\n-")


@pytest.mark.parametrize("name", [STATE_STORE, JOIN_FORMAT])
def test_state_of_another_format_is_refused(spark: SparkSession, checkpoint: Path, name: str) -> None:
    (checkpoint / "state").mkdir()
    begun_with(checkpoint, {name: "some.Other"})
    failure = changed(spark, PIPELINE, at(checkpoint))
    assert failure is not None
    assert failure.exit_code == MUST_NOT_GO_ON
    assert f"the checkpoint's state has another format ({name.rpartition('.')[2]} Other)" in failure.reason
    assert f"""keep the old format, TANDEM_SPARK='{{"{name}": "some.Other"}}'""" in failure.reason
    assert "\n" not in failure.reason


def test_state_of_the_same_format_is_taken(spark: SparkSession, checkpoint: Path) -> None:
    (checkpoint / "state").mkdir()
    begun_with(checkpoint, {name: str(spark.conf.get(name)) for name in (STATE_STORE, JOIN_FORMAT)})
    assert changed(spark, PIPELINE, at(checkpoint)) is None


def test_a_checkpoint_without_state_has_no_format(spark: SparkSession, checkpoint: Path) -> None:
    begun_with(checkpoint, {STATE_STORE: "some.Other"})
    assert changed(spark, PIPELINE, at(checkpoint)) is None
