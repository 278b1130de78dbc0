"""Reads the stored documents of a pipeline's collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from types import MappingProxyType
from typing import Any

from bson import decode
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database

# Dates stay numbers: a datetime cannot hold years before 1 or after 9999.
AS_NUMBERS: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)


class MongoDocuments:
    """MongoDB's documents.

    Args:
        database: the database, with the codec ``AS_NUMBERS``.
        names: the collections that are read instead of others, by these others' names.
    """

    def __init__(self, database: Database[dict[str, Any]], names: Mapping[str, str] = MappingProxyType({})) -> None:
        self._database, self._names = database, names

    def ids(self, collection: str) -> Set[str]:
        """Returns the ``_id``s that are strings."""
        documents = self._of(collection).find({}, {"_id": 1}, batch_size=20_000)
        return {document["_id"] for document in documents if isinstance(document["_id"], str)}

    def read(self, collection: str) -> Iterable[dict[str, Any]]:
        """Returns all documents."""
        return self._of(collection).find({}, batch_size=5_000)

    def encoded(self, collection: str) -> Iterable[tuple[Any, bytes]]:
        """Returns the ``_id`` and the BSON of each document."""
        raw = self._of(collection).with_options(CodecOptions(RawBSONDocument))
        for document in raw.find({}, batch_size=5_000):
            # The document would decode itself more slowly.
            yield decode(document.raw, AS_NUMBERS)["_id"], bytes(document.raw)

    def _of(self, collection: str) -> Collection[dict[str, Any]]:
        return self._database[self._names.get(collection, collection)]
