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
    """Returns a collection's documents, read anew by each action.

    Args:
        spark: the session.
        config: where MongoDB is.
        collection: its name; it need not be there.
        schema: the fields that are read, and their types; None for those that a sample of the documents has.
    """
    reader = (
        spark.read.format("mongodb")
        .option("connection.uri", mongo_uri(config))
        .option("database", config.mongo.database)
        .option("collection", collection)
        .option("readConcern.level", "majority")
        # The connector's own choice fails on an empty collection; little is read fast enough by one task.
        .option("partitioner", _ONE_PARTITION)
    )
    if schema is None:
        schema = reader.load().schema
    found = cast("StructType", DataType.fromDDL(schema)) if isinstance(schema, str) else schema
    return from_stored(reader.schema(cast("StructType", as_stored(found))).load(), found)


def in_chunks(ids: DataFrame) -> Iterator[list[str]]:
    """Yields the ``_id``s of rows, some thousands at a time: all of them need not fit into memory."""
    each: Iterator[str] = (row["_id"] for row in ids.select("_id").toLocalIterator())
    while chunk := list(islice(each, _CHUNK)):
        yield chunk


def looked_up(spark: SparkSession, config: JobConfig, lookup: Lookup) -> DataFrame:
    """Returns the documents of a lookup."""
    schema = ", ".join(f"{quoted(name)} {spark_type(kind)}" for name, kind in lookup.fields.items())
    return read_collection(spark, config, lookup.collection, schema)
