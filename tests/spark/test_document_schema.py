"""Documents whose schema is not the declared one are refused before a batch."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from tandem.engine.declare.job_config import MUST_NOT_GO_ON
from tandem.engine.read.kafka_source import streamed
from tandem.engine.read.parse import ASIDE, parse
from tandem.engine.run import job
from tandem.engine.spark.failure import CannotGoOnError
from tandem.engine.write.document_schema import documents_of
from tandem.pipeline import Collection, DocumentType, Output, Pipeline
from tandem.pipelines.segment_revenue.transform import PIPELINE
from tests.spark.records import SCHEMA, job_config

ALL = {
    DocumentType.STRING: ("string",),
    DocumentType.INTEGER: ("tinyint", "smallint", "int", "bigint"),
    DocumentType.DECIMAL: ("decimal(34,0)", "decimal(10,2)"),
    DocumentType.DOUBLE: ("float", "double"),
    DocumentType.BOOLEAN: ("boolean",),
    DocumentType.TIMESTAMP: ("timestamp",),
    DocumentType.DATE: ("date",),
    DocumentType.BYTES: ("binary",),
    DocumentType.ARRAY: ("array<string>",),
    DocumentType.OBJECT: ("struct<a: int>", "map<string, int>"),
}


def pipeline_of(*collections: Collection | str) -> Pipeline:
    outputs = tuple(Output(each, documents=lambda rows: rows) for each in collections)
    return Pipeline("p", (), lambda: None, outputs, "dead")  # type: ignore[arg-type,return-value]


def empty(spark: SparkSession, schema: str) -> DataFrame:
    return spark.createDataFrame([], schema)


def test_each_type_is_known(spark: SparkSession) -> None:
    assert ALL.keys() == set(DocumentType)
    types = [(kind, name) for kind, names in ALL.items() for name in names]
    schema = ", ".join(f"f{number} {name}" for number, (_, name) in enumerate(types))
    fields = {f"f{number}": kind for number, (kind, _) in enumerate(types)}
    documents = empty(spark, f"_id string, {schema}")
    assert documents_of(pipeline_of(Collection("c", fields)), documents) == {"c": documents}


@pytest.mark.parametrize(
    ("schema", "differences"),
    [
        ("_id string, a bigint", "c has no field b"),
        ("_id string, a bigint, b string, z int, y int", "c.y is not declared; c.z is not declared"),
        ("_id string, a string, b string", "c.a is string, declared as integer"),
        (
            "_id string, a decimal(20,0), b timestamp_ntz",
            "c.a is decimal(20,0), declared as integer; c.b is timestamp_ntz",
        ),
        ("a bigint, b string", "c has no field _id"),
        ("_id bigint, B string", "c._id is bigint, declared as string; c has no field a; c has no field b; c.B is not"),
    ],
)
def test_each_difference_is_named(spark: SparkSession, schema: str, differences: str) -> None:
    collection = Collection("c", {"a": DocumentType.INTEGER, "b": DocumentType.STRING})
    with pytest.raises(CannotGoOnError) as error:
        documents_of(pipeline_of(collection), empty(spark, schema))
    assert str(error.value).startswith(f"the documents are not as declared: {differences}")


def test_differences_of_all_collections_are_named(spark: SparkSession) -> None:
    pipeline = pipeline_of(*(Collection(name, {"a": DocumentType.DATE}) for name in "cd"))
    with pytest.raises(CannotGoOnError, match=r"c has no field a; d has no field a$"):
        documents_of(pipeline, empty(spark, "_id string"))


def test_without_declared_fields_any_documents_do(spark: SparkSession) -> None:
    assert documents_of(pipeline_of("c", Collection("d")), empty(spark, "_id string, number int")).keys() == {"c", "d"}


@pytest.mark.parametrize("collection", ["c", Collection("c"), Collection("c", {"a": DocumentType.STRING})])
def test_documents_without_an_id_are_refused(spark: SparkSession, collection: Collection | str) -> None:
    """MongoDB would invent one each time a document is written."""
    with pytest.raises(CannotGoOnError, match=r"not as declared: c has no field _id"):
        documents_of(pipeline_of(collection), empty(spark, "a string"))


@pytest.mark.parametrize("name", ["$set", "a.b"])
@pytest.mark.parametrize("collection", ["c", Collection("c"), Collection("c", {"a": DocumentType.STRING})])
def test_a_name_that_no_document_can_have_is_refused(
    spark: SparkSession, collection: Collection | str, name: str
) -> None:
    with pytest.raises(CannotGoOnError) as error:
        documents_of(pipeline_of(collection), empty(spark, f"_id string, a string, `{name}` string"))
    assert f"c: field {name!r}" in str(error.value)
    nested = empty(spark, f"_id string, a string, b struct<`{name}`: string>")
    assert documents_of(pipeline_of("c"), nested)


@pytest.mark.parametrize(
    ("package", "parameters"),
    [
        ("tandem.pipelines.orders_payments", {}),
        ("tandem.pipelines.segment_revenue", {"window_seconds": 60}),
        ("tandem.pipelines.shipped_orders", {"ship_within_seconds": 60}),
        ("tandem.scaffold.example", {"timeout_seconds": 60}),
    ],
)
def test_our_pipelines_are_as_declared(
    spark: SparkSession, tmp_path: Path, package: str, parameters: dict[str, Any]
) -> None:
    pipeline: Pipeline = import_module(f"{package}.transform").PIPELINE
    rows = stream_of(spark, tmp_path, pipeline, parameters)
    documents = documents_of(pipeline, rows.where(f"{ASIDE} is null").drop(ASIDE))
    assert documents.keys() == {output.collection_name for output in pipeline.outputs}


def test_the_job_does_not_start(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (output,) = PIPELINE.outputs
    assert isinstance(output.collection, Collection)
    fields = {**output.collection.fields, "revenue": DocumentType.DOUBLE}
    wrong = replace(PIPELINE, outputs=(replace(output, collection=replace(output.collection, fields=fields)),))
    rows = stream_of(spark, tmp_path, PIPELINE, {"window_seconds": 60})
    monkeypatch.setattr(job, "as_stream", lambda *_: rows)
    monkeypatch.setattr(job, "changed", lambda *_: None)
    monkeypatch.setattr(spark, "stop", lambda: None)
    assert job.fit(spark, wrong, job_config("p")) == MUST_NOT_GO_ON
    reason = "the documents are not as declared: segment_revenue.revenue is decimal(34,0), declared as double\n"
    assert capsys.readouterr().out == reason


def stream_of(spark: SparkSession, folder: Path, pipeline: Pipeline, parameters: dict[str, Any]) -> DataFrame:
    """Returns the pipeline's rows as a stream of no records."""
    config = job_config("p", **parameters)
    records = spark.readStream.schema(SCHEMA).parquet(str(folder))
    parsed = [parse(records, stream, max_clock_skew_seconds=300) for stream in pipeline.streams]
    versions = "customer_id string, segment string, valid_from timestamp"
    lookups = {lookup.collection: empty(spark, versions) for lookup in pipeline.lookups}
    return streamed(pipeline, parsed, lookups, config)
