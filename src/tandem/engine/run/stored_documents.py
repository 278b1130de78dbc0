"""Compares the stored documents with those that records imply, and repairs them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Output, Pipeline, SupersededBy
from tandem.engine.read.mongo_source import in_chunks, read_collection
from tandem.engine.write.mongo_sink import FEW, write_documents
from tandem.engine.write.superseded import Superseded

_PRUNES_EMPTY = "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"


class StoredDocuments:
    """The stored documents of a pipeline, and those that records imply.

    Memory is bounded, because Spark spills to disk.

    Args:
        spark: the session.
        pipeline: the pipeline; its outputs name the collections.
        config: MongoDB's address.
        documents: the implied documents, by collection.
        watermark: the job's watermark; None if no job writes the collections.

    Attributes:
        final: the outputs whose documents are inserted, and never removed.
        provisional: the outputs whose documents report something missing, and what supersedes each.
    """

    def __init__(
        self,
        spark: SparkSession,
        pipeline: Pipeline,
        config: JobConfig,
        documents: Mapping[str, DataFrame],
        watermark: datetime | None,
    ) -> None:
        self._spark, self._config, self._documents, self._watermark = spark, config, documents, watermark
        # With this rule, Spark would drop the observation of a plan that turns out to have no rows.
        spark.conf.set("spark.sql.adaptive.optimizer.excludedRules", _PRUNES_EMPTY)
        self.final: list[Output] = [
            each for each in pipeline.outputs if each.superseded_by is None and each.window is None
        ]
        self.provisional: list[tuple[Output, SupersededBy]] = [
            (each, each.superseded_by) for each in pipeline.outputs if each.superseded_by is not None
        ]
        self.superseded = Superseded(spark, config)

    def insert_missing(self, collection: str) -> tuple[int, int]:
        """Inserts the missing documents of a final output.

        Returns the numbers of implied ones, with repeats, and of missing ones.
        """
        compared = Observation()
        implied = self._documents[collection].observe(compared, F.count(F.lit(1)).alias("rows"))
        # A repeated event produces the same document.
        missing = implied.join(self._ids(collection), "_id", "left_anti").dropDuplicates(["_id"])
        missing = missing.persist(StorageLevel.DISK_ONLY)
        try:
            count = missing.count()
            if count:
                self._note(collection, missing)
                write_documents(missing, collection, self._config, few=count < FEW)
        finally:
            missing.unpersist()
        return int(compared.get["rows"]), count

    def replace_known(self, collection: str) -> int:
        """Replaces the stored documents of a final output; returns their number."""
        return self._replace(collection, self._documents[collection])

    def write_provisional(self, output: Output, by: SupersededBy) -> tuple[int, int]:
        """Writes a provisional output's documents, except superseded ones.

        Those superseded by a stored document are left out. Returns the numbers of inserted and of replaced ones.
        """
        collection = output.collection_name
        overtaken = self._overtaken_by_stored(by)
        rest = self._documents[collection].join(overtaken, "_id", "left_anti")
        replaced = self._replace(collection, rest)
        missing = rest.join(self._ids(collection), "_id", "left_anti").dropDuplicates(["_id"])
        missing = missing.persist(StorageLevel.DISK_ONLY)
        try:
            if count := missing.count():
                write_documents(missing, collection, self._config, few=count < FEW)
        finally:
            missing.unpersist()
        return count, replaced

    def remove_overtaken(self, output: Output, by: SupersededBy) -> int:
        """Removes the documents that implied ones supersede; returns their number."""
        return self._remove(output.collection_name, self._overtaken(by, self._documents[by.collection_name]))

    def remove_overtaken_by_stored(self, output: Output, by: SupersededBy) -> int:
        """Removes the documents that stored ones supersede; returns their number."""
        return self._remove(output.collection_name, self._overtaken_by_stored(by))

    def _replace(self, collection: str, documents: DataFrame) -> int:
        known = documents.join(self._ids(collection), "_id", "left_semi").dropDuplicates(["_id"])
        known = known.persist(StorageLevel.DISK_ONLY)
        try:
            if count := known.count():
                # An insert would fail, because they exist.
                write_documents(known, collection, self._config, few=True)
        finally:
            known.unpersist()
        return count

    def _note(self, collection: str, missing: DataFrame) -> None:
        if self._watermark is None:
            return
        for output, by in self.provisional:
            if by.collection_name == collection:
                ids = by.ids(missing, **self._config.parameters)
                self.superseded.note(output.collection_name, ids, self._watermark)

    def _overtaken_by_stored(self, by: SupersededBy) -> DataFrame:
        schema = self._documents[by.collection_name].schema
        return self._overtaken(by, read_collection(self._spark, self._config, by.collection_name, schema))

    def _overtaken(self, by: SupersededBy, documents: DataFrame) -> DataFrame:
        return by.ids(documents, **self._config.parameters).select("_id")

    def _remove(self, collection: str, overtaken: DataFrame) -> int:
        wrong = self._ids(collection).join(overtaken, "_id", "left_semi")
        return sum(self.superseded.delete(collection, chunk) for chunk in in_chunks(wrong))

    def _ids(self, collection: str) -> DataFrame:
        return read_collection(self._spark, self._config, collection, "_id string")
