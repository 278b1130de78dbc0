"""Removes documents that reconcile has superseded and that the job writes later.

If the job drops a late record, it still holds the record's partner in its state. It writes the partner as unmatched
when the window closes, long after reconcile has written their fact. So reconcile stores a note before it looks for the
document, and the job looks for notes after it has written. Whichever comes second removes the document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.stream import SUPERSEDED_COLLECTION
from tandem.engine.read.mongo_source import in_chunks, read_collection
from tandem.engine.spark.mongo_client import MongoCollection
from tandem.engine.write.mongo_sink import FEW, write_documents


class Superseded:
    """The notes about superseded documents of a database.

    Args:
        spark: the session.
        config: MongoDB's address.
    """

    def __init__(self, spark: SparkSession, config: JobConfig) -> None:
        self._spark, self._config = spark, config
        self._notes = MongoCollection(spark, config, SUPERSEDED_COLLECTION)
        self._collections: dict[str, MongoCollection] = {}
        # Each batch asks for notes.
        self._presence: dict[str, Callable[[], bool]] = {}

    def note(self, collection: str, ids: DataFrame, watermark: datetime) -> None:
        """Stores notes about superseded documents that the job may still write.

        Args:
            collection: the documents' collection.
            ids: the rows of ``SupersededBy.ids``.
            watermark: the job's watermark.
        """
        notes = ids.where(F.col("until") >= F.lit(_oldest_needed(watermark))).select(
            F.concat(F.lit(_note_id(collection, "")), "_id").alias("_id"),
            F.lit(collection).alias("collection"),
            F.col("_id").alias("document"),
            "until",
        )
        write_documents(notes, SUPERSEDED_COLLECTION, self._config, few=True)

    def has_notes(self, collection: str) -> bool:
        """Returns whether there are notes about documents of a collection."""
        if collection not in self._presence:
            self._presence[collection] = self._notes.presence_of({"collection": collection})
        return self._presence[collection]()

    def remove(self, collection: str, written: DataFrame) -> int:
        """Removes the superseded ones among the documents that were just written.

        Returns their number.

        For few documents, the notes with their ``_id``s are read. For many documents, Spark joins them with the notes,
        so that neither must fit into memory.

        Args:
            collection: the documents' collection.
            written: the documents of a batch, made of cached rows.
        """
        ids = [row["_id"] for row in written.select("_id").limit(FEW + 1).collect()]
        if len(ids) > FEW:
            about = self._about(collection).select(F.col("document").alias("_id"))
            return sum(self.delete(collection, chunk) for chunk in in_chunks(about.join(written, "_id", "left_semi")))
        notes = self._notes.with_ids([_note_id(collection, each) for each in set(ids)])
        return self.delete(collection, [note["document"] for note in notes]) if notes else 0

    def _about(self, collection: str) -> DataFrame:
        notes = read_collection(self._spark, self._config, SUPERSEDED_COLLECTION, "collection string, document string")
        return notes.where(F.col("collection") == collection)

    def delete(self, collection: str, ids: list[str]) -> int:
        """Deletes documents by their ``_id``s; returns the number of those that existed."""
        if collection not in self._collections:
            self._collections[collection] = MongoCollection(self._spark, self._config, collection)
        return self._collections[collection].delete_ids(ids)

    def forget(self, collections: Sequence[str], watermark: datetime) -> None:
        """Removes the notes of these collections that the watermark has passed.

        The job cannot write those documents any more. Other pipelines may have notes in the same database.
        """
        passed = {"$lt": {"$date": _oldest_needed(watermark).isoformat(timespec="milliseconds")}}
        self._notes.delete({"collection": {"$in": list(collections)}, "until": passed})


def _oldest_needed(watermark: datetime) -> datetime:
    """Returns the earliest ``until`` of a document that the job may still write.

    Spark evicts an event once the watermark is a millisecond after its ``until``. MongoDB cuts ``until`` to
    milliseconds, so the watermark may be almost two after the stored one before that.
    """
    return watermark - timedelta(milliseconds=1)


def _note_id(collection: str, document: str) -> str:
    return f"{collection}/{document}"
