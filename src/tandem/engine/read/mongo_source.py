"""Reads collections of the pipeline's database as DataFrames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, StructType

from tandem.engine.declare.collection import Lookup
from tandem.engine.declare.field_name import quoted
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.spark_type import spark_type
from tandem.engine.spark.connection_options import mongo_uri
from tandem.engine.spark.dates import as_stored, from_stored

_ONE_PARTITION = "com.mongodb.spark.sql.connector.read.partitioner.SinglePartitionPartitioner"
_CHUNK = 10_000


def read_collection(
    spark: SparkSession, config: JobConfig, collection: str, schema: StructType | str | None = None
) -> DataFrame:
    """Returns a collection's documents; each action reads them again.

    Args:
        spark: the session.
        config: MongoDB's address.
        collection: the collection's name; it need not exist.
        schema: the fields to read and their types; None to infer them from a sample of the documents.
    """
    reader = (
        spark.read.format("mongodb")
        .option("connection.uri", mongo_uri(config))
        .option("database", config.mongo.database)
        .option("collection", collection)
        .option("readConcern.level", "majority")
        # The connector's default fails on an empty collection. One task is fast enough for a small one.
        .option("partitioner", _ONE_PARTITION)
    )
    if schema is None:
        schema = reader.load().schema
    found = cast("StructType", DataType.fromDDL(schema)) if isinstance(schema, str) else schema
    return from_stored(reader.schema(cast("StructType", as_stored(found))).load(), found)


def in_chunks(ids: DataFrame) -> Iterator[list[str]]:
    """Yields the ``_id``s of rows in chunks, so that they need not fit into memory."""
    each: Iterator[str] = (row["_id"] for row in ids.select("_id").toLocalIterator())
    while chunk := list(islice(each, _CHUNK)):
        yield chunk


def looked_up(spark: SparkSession, config: JobConfig, lookup: Lookup) -> DataFrame:
    """Returns the documents of a lookup's collection."""
    schema = ", ".join(f"{quoted(name)} {spark_type(kind)}" for name, kind in lookup.fields.items())
    return read_collection(spark, config, lookup.collection, schema)
