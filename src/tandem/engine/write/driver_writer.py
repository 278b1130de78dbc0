"""Writes rows from the driver, without a Spark job.

It uses the writer that a connector makes for Spark's tasks. So the same code converts and writes the rows as in a task.
MongoDB's writer is kept from batch to batch: Spark's analyzer prepares the conversion of rows each time one is made.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from contextlib import suppress
from functools import reduce
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession

MONGODB = "com.mongodb.spark.sql.connector.MongoTableProvider"
KAFKA = "org.apache.spark.sql.kafka010.KafkaSourceProvider"
# After a commit, these connectors' writers hold nothing but a client, and take the next batch.
_REUSABLE = {MONGODB}


class DriverWriter:
    """Writes rows of one schema to one collection or topic.

    Args:
        rows: a DataFrame of the schema.
        provider: the connector's ``TableProvider``: ``MONGODB`` or ``KAFKA``.
        options: the connector's options, as for ``DataFrameWriter.options``.
    """

    def __init__(self, rows: DataFrame, provider: str, options: Mapping[str, str]) -> None:
        spark: SparkSession = rows.sparkSession
        jvm: Any = spark._jvm
        schema, given = rows._jdf.schema(), dict(options)
        catalyst, none = jvm.org.apache.spark.sql, jvm.java.util.Optional.empty()
        connector = reduce(getattr, provider.split("."), jvm)()
        transform = jvm.java.lang.Class.forName("org.apache.spark.sql.connector.expressions.Transform")
        table = connector.getTable(schema, jvm.java.lang.reflect.Array.newInstance(transform, 0), given)
        insensitive = catalyst.util.CaseInsensitiveStringMap(given)
        about = catalyst.connector.write.LogicalWriteInfoImpl(str(uuid.uuid4()), schema, insensitive, none, none)
        batch = table.newWriteBuilder(about).build().toBatch()
        self._java_iterator = jvm.scala.jdk.javaapi.CollectionConverters.asJava
        self._factory = batch.createBatchWriterFactory(catalyst.connector.write.PhysicalWriteInfoImpl(1))
        self._numbers = itertools.count()
        self._reusable = provider in _REUSABLE
        self._kept: Any = None

    def write(self, rows: Any) -> None:
        """Writes rows; returns once all of them are stored.

        Args:
            rows: a Scala sequence of Spark's internal rows, as ``DriverQuery.rows`` returns it.
        """
        if rows.isEmpty():
            return
        writer, self._kept = self._kept or self._factory.createWriter(0, next(self._numbers)), None
        try:
            writer.writeAll(self._java_iterator(rows.iterator()))
            writer.commit()
            # A writer that has failed still holds rows.
            self._kept = writer if self._reusable else None
        finally:
            if self._kept is None:
                writer.close()

    def close(self) -> None:
        """Releases the client. A later write takes a new one."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            with suppress(Py4JError, OSError):  # Java may have ended
                kept.close()
