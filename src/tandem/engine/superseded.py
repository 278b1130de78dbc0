"""Keeps the job from writing what reconcile has found to be overtaken.

A late record was dropped, but its partner was not: the job holds it and will report it as unmatched once its window
closes, long after reconcile has written their fact. So reconcile leaves a note, before it looks for the document; the
job looks for notes after it has written. Whoever comes second removes the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.config import JobConfig
from tandem.engine.mongo import Collection
from tandem.engine.schema import SUPERSEDED_COLLECTION
from tandem.engine.sink import write_documents


class Superseded:
    """The notes about a database's collections.

    Args:
        spark: the session.
        config: where MongoDB is.
    """

    def __init__(self, spark: SparkSession, config: JobConfig) -> None:
        self._spark, self._config = spark, config
        self._notes = Collection(spark, config, SUPERSEDED_COLLECTION)
        self._collections: dict[str, Collection] = {}

    def note(self, collection: str, ids: DataFrame, watermark: datetime) -> None:
        """Leaves notes about the documents that the job may still come to write.

        Args:
            collection: the documents' collection.
            ids: rows of ``SupersededBy.ids``.
            watermark: the job's.
        """
        notes = ids.where(F.col("until") >= F.lit(watermark)).select(
            F.concat(F.lit(f"{collection}/"), "_id").alias("_id"),
            F.lit(collection).alias("collection"),
            F.col("_id").alias("document"),
            "until",
        )
        write_documents(notes, SUPERSEDED_COLLECTION, self._config, few=True)

    def remove(self, collection: str) -> int:
        """Returns how many documents were there of which a note says that they must not be."""
        ids = [note["document"] for note in self._notes.find({"collection": collection})]
        return self.delete(collection, ids) if ids else 0

    def delete(self, collection: str, ids: list[str]) -> int:
        """Returns how many of these documents were there, and are no more."""
        if collection not in self._collections:
            self._collections[collection] = Collection(self._spark, self._config, collection)
        return self._collections[collection].delete_ids(ids)

    def forget(self, collections: Sequence[str], watermark: datetime) -> None:
        """Removes the notes about what the job that writes these collections, and has this watermark, cannot write any
        more; other pipelines may have notes in the same database."""
        passed = {"$lt": {"$date": watermark.isoformat(timespec="milliseconds")}}
        self._notes.delete({"collection": {"$in": list(collections)}, "until": passed})
