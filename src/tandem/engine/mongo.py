"""MongoDB from the driver, for what is too small for a DataFrame: by the Java driver that the connector brings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pyspark.sql import SparkSession

from tandem.engine.config import JobConfig
from tandem.engine.login import mongo_uri

Document = dict[str, Any]
_CHUNK = 1000


@cache
def _client(jvm: Any, uri: str) -> Any:
    """Returns a client that is kept open for the life of the process: to connect anew costs more than a request."""
    return jvm.com.mongodb.client.MongoClients.create(uri)


class Collection:
    """One collection. Documents are in the form of MongoDB's extended JSON.

    Args:
        spark: the session whose Java process is used; there is no pymongo on the cluster.
        config: where MongoDB is.
        name: the collection's name.
    """

    def __init__(self, spark: SparkSession, config: JobConfig, name: str) -> None:
        jvm: Any = spark._jvm
        self._parse = jvm.org.bson.Document.parse
        collection = _client(jvm, mongo_uri(config)).getDatabase(config.database).getCollection(name)
        self._collection = collection.withWriteConcern(jvm.com.mongodb.WriteConcern.MAJORITY)

    def insert(self, document: Mapping[str, Any]) -> None:
        """Stores a document."""
        self._collection.insertOne(self._bson(document))

    def newest(self, query: Mapping[str, Any]) -> Document | None:
        """Returns the document of a capped collection that was stored last."""
        found = self._collection.find(self._bson(query)).sort(self._bson({"$natural": -1})).first()
        return None if found is None else dict(json.loads(found.toJson()))

    def find(self, query: Mapping[str, Any]) -> Iterator[Document]:
        """Yields the documents."""
        cursor = self._collection.find(self._bson(query)).iterator()
        try:
            while cursor.hasNext():
                yield json.loads(cursor.next().toJson())
        finally:
            cursor.close()

    def delete(self, query: Mapping[str, Any]) -> int:
        """Returns how many documents were deleted."""
        return int(self._collection.deleteMany(self._bson(query)).getDeletedCount())

    def delete_ids(self, ids: Sequence[str]) -> int:
        """Returns how many of the documents with these ``_id``s were there, and are no more."""
        chunks = (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
        return sum(self.delete({"_id": {"$in": list(chunk)}}) for chunk in chunks)

    def _bson(self, document: Mapping[str, Any]) -> Any:
        # A string stays one, whatever it looks like: only the keys that are written here have a meaning.
        return self._parse(json.dumps(document))
