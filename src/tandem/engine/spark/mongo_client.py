"""Reads and writes single documents of MongoDB by the Java driver."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pyspark.sql import SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.spark.connection_options import mongo_uri

Document = dict[str, Any]
# The Java driver's name of the write concern.
WRITE_CONCERN = "MAJORITY"
# The most ids and characters in one request. MongoDB accepts 16 MiB, and a character has up to four bytes.
_PAGE, _PAGE_CHARACTERS = 10_000, 2**20


def pages(ids: Iterable[str]) -> Iterator[list[str]]:
    """Yields the ids in pages that fit into one request.

    A very long id has its own page.
    """
    page: list[str] = []
    characters = 0
    for each in ids:
        if page and (len(page) == _PAGE or characters + len(each) > _PAGE_CHARACTERS):
            yield page
            page, characters = [], 0
        page.append(each)
        characters += len(each)
    if page:
        yield page


@cache
def _client(jvm: Any, uri: str) -> Any:
    """Returns a client that stays open until the process ends.

    Connecting costs more than a request.
    """
    return jvm.com.mongodb.client.MongoClients.create(uri)


class MongoCollection:
    """One collection. Documents are written as MongoDB's extended JSON.

    Args:
        spark: the session; its Java process has the client, because the cluster has no pymongo.
        config: MongoDB's address.
        name: the collection's name.
    """

    def __init__(self, spark: SparkSession, config: JobConfig, name: str) -> None:
        jvm: Any = spark._jvm
        self._jvm, self._parse = jvm, jvm.org.bson.Document.parse
        collection = _client(jvm, mongo_uri(config)).getDatabase(config.mongo.database).getCollection(name)
        self._collection = collection.withWriteConcern(getattr(jvm.com.mongodb.WriteConcern, WRITE_CONCERN))

    def insert(self, document: Mapping[str, Any]) -> None:
        """Stores a document."""
        self._collection.insertOne(self._bson(document))

    def put(self, document: Mapping[str, Any]) -> None:
        """Stores a document instead of the one with its ``_id``, if there is one."""
        options = self._jvm.com.mongodb.client.model.ReplaceOptions().upsert(True)
        self._collection.replaceOne(self._bson({"_id": document["_id"]}), self._bson(document), options)

    def presence_of(self, query: Mapping[str, Any]) -> Callable[[], bool]:
        """Returns a function that returns whether a document matches now.

        It makes one call to Java, because the query is prepared once.
        """
        matching = self._collection.find(self._bson(query))
        return lambda: matching.first() is not None

    def with_ids(self, ids: Sequence[str]) -> list[Document]:
        """Returns the documents with these ``_id``s; one request for each page of ids."""
        documents: list[Document] = []
        for page in pages(ids):
            cursor = self._collection.find(self._bson({"_id": {"$in": page}})).batchSize(len(page))
            # All documents in one call, because each call to Java is a round trip.
            answer = self._jvm.org.bson.Document("found", cursor.into(self._jvm.java.util.ArrayList()))
            documents += json.loads(answer.toJson())["found"]
        return documents

    def delete(self, query: Mapping[str, Any]) -> int:
        """Deletes the matching documents; returns their number."""
        return int(self._collection.deleteMany(self._bson(query)).getDeletedCount())

    def delete_ids(self, ids: Sequence[str]) -> int:
        """Deletes the documents with these ``_id``s; returns the number of those that existed."""
        return sum(self.delete({"_id": {"$in": page}}) for page in pages(ids))

    def _bson(self, document: Mapping[str, Any]) -> Any:
        # Strings from records stay strings: only keys that this module writes are operators.
        return self._parse(json.dumps(document))
