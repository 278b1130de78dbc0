"""The pipeline of docs/guides/cdc.md: the engine's documents of Debezium's records are the oracle's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.catalog import PipelineLocation
from tandem.engine.read.parse import ASIDE, parse
from tandem.engine.read.typed_values import scalar
from tandem.engine.write.document_schema import documents_of
from tandem.pipeline import FieldType, Pipeline, RecordPart
from tandem.verify.intake import Intake
from tandem.verify.reference import Accepted
from tandem.verify.topics import TopicRecord
from tests.debezium import DELETE, INSERT, KEY, RECORDS, wrapped, write_pipeline
from tests.parts import differences
from tests.spark.answers import SKEW, Item, engine_answers, reference_answers, same
from tests.spark.records import ARRIVED, kafka_rows
from tests.spark.test_stored import written


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipelineLocation]:
    monkeypatch.syspath_prepend(str(tmp_path))
    found = write_pipeline(tmp_path, "cdc_pipelines")
    yield found
    found.forget()


@pytest.fixture
def pipeline(location: PipelineLocation) -> Pipeline:
    found = location.module("transform").PIPELINE
    assert isinstance(found, Pipeline)
    return found


def rows(spark: SparkSession, pipeline: Pipeline) -> DataFrame:
    """Returns what the engine makes of the records."""
    (stream,) = pipeline.streams
    return parse(kafka_rows(spark, stream.topic, list(RECORDS)), stream, max_clock_skew_seconds=SKEW)


def expected(location: PipelineLocation, pipeline: Pipeline) -> dict[str, Any]:
    intake = Intake(pipeline.streams[0], max_clock_skew_seconds=SKEW, sender=None)
    arrived_ms = int(ARRIVED.timestamp() * 1000)
    intake.take(TopicRecord(0, offset, arrived_ms, key, value, []) for offset, (key, value) in enumerate(RECORDS))
    found = location.module("oracle").expect({"orders": intake.accepted})
    return dict(found.documents["order_changes"])


def test_the_documents_are_those_of_the_oracle(
    spark: SparkSession, location: PipelineLocation, pipeline: Pipeline
) -> None:
    events = rows(spark, pipeline).where(F.col(ASIDE).isNull()).drop(ASIDE)
    documents = documents_of(pipeline, pipeline.transform(events))["order_changes"]
    made = written(spark, documents.dropDuplicates(["_id"]), as_text=False)
    wanted = expected(location, pipeline)
    assert len(wanted) == 5
    assert not differences(made, wanted), (made, wanted)


def test_a_tombstone_leaves_no_row(spark: SparkSession, pipeline: Pipeline) -> None:
    assert rows(spark, pipeline).count() == len(RECORDS) - 1
    (stream,) = pipeline.streams
    strict = replace(pipeline, streams=(replace(stream, ignores_tombstones=False),))
    assert rows(spark, strict).count() == len(RECORDS)


def test_each_record_is_read_alike(spark: SparkSession, pipeline: Pipeline) -> None:
    (stream,) = pipeline.streams
    strict = replace(stream, ignores_tombstones=False)
    items: list[Item] = list(RECORDS)
    found, wanted = engine_answers(spark, strict, items), reference_answers(strict, items)
    assert [pair for pair in zip(found, wanted, strict=True) if not same(*pair)] == []
    assert sum(isinstance(each, Accepted) for each in found) == 6


def test_a_decimal_in_bytes_evaluates_its_value_once(spark: SparkSession) -> None:
    # Within a nested record, Spark evaluates each occurrence anew.
    decimal = scalar(FieldType.decimal_bytes(12, 2), F.col("value"))
    text = str(spark.createDataFrame([("C+o=",)], "value string").select(decimal)._jdf.queryExecution().analyzed())
    projection, *_ = text.splitlines()
    assert projection.partition(" AS ")[0].count("value#") == 1


def test_the_schema_beside_the_payload_is_ignored(spark: SparkSession, pipeline: Pipeline) -> None:
    (stream,) = pipeline.streams
    enveloped = replace(
        stream,
        fields={"payload": FieldType.record(stream.fields)},
        event_time="payload.source.ts_ms",
        identity=(RecordPart.KEY, "payload.source.lsn"),
    )
    items: list[Item] = [(KEY, json.dumps(wrapped(each)).encode()) for each in (INSERT, DELETE)]
    found, wanted = engine_answers(spark, enveloped, items), reference_answers(enveloped, items)
    assert [type(each) for each in found] == [Accepted, Accepted]
    assert all(same(*pair) for pair in zip(found, wanted, strict=True))
