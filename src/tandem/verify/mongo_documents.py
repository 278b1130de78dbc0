"""Reads the stored documents of a pipeline's collections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from types import MappingProxyType
from typing import Any

from bson import decode
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tandem.errors import EnvironmentNotReadyError
from tandem.settings.connections import mongo_client
from tandem.settings.model import MongoSettings

# Dates stay numbers: a datetime cannot hold years before 1 or after 9999.
AS_NUMBERS: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
_SERVER_SELECTION_MS = 10_000

# The documents that a worker reads at a time.
DOCUMENTS_IN_A_RANGE = 50_000
# The sampled documents of each range, so that ranges are of about the same size.
SAMPLED_OF_A_RANGE = 100
_INDEX = "_id_"


@contextmanager
def database_as_numbers(mongo: MongoSettings) -> Iterator[Database[dict[str, Any]]]:
    """Yields the database, with the codec ``AS_NUMBERS``.

    Raises:
        EnvironmentNotReadyError: MongoDB does not answer.
    """
    client: MongoClient[dict[str, Any]]
    try:
        with MongoClient(**mongo_client(mongo), serverSelectionTimeoutMS=_SERVER_SELECTION_MS) as client:
            yield client.get_database(mongo.database, codec_options=AS_NUMBERS)
    except PyMongoError as error:
        raise EnvironmentNotReadyError(
            f"MongoDB does not answer: {type(error).__name__}", hint="check with `tandem status` that it is running"
        ) from None


@dataclass(frozen=True)
class Range:
    """Documents by their ``_id``, in the order of its index.

    Attributes:
        first: a list with the first ``_id``; None for the first one of all.
        last: a list with the ``_id`` after the last one; None for the end.
    """

    first: list[Any] | None = None
    last: list[Any] | None = None


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

    def ranges(self, collection: str) -> list[Range]:
        """Returns ranges of about as many documents, which together have all documents."""
        documents = self._of(collection)
        count = documents.estimated_document_count() // DOCUMENTS_IN_A_RANGE
        if not count:
            return [Range()]
        sample = [{"$sample": {"size": count * SAMPLED_OF_A_RANGE}}, {"$project": {"_id": 1}}, {"$sort": {"_id": 1}}]
        ids = [document["_id"] for document in documents.aggregate(sample)]
        # A sample may have a document twice, and a range must not be empty.
        limits = [None, *([each] for each, _ in groupby(ids[SAMPLED_OF_A_RANGE::SAMPLED_OF_A_RANGE])), None]
        return [Range(first, last) for first, last in pairwise(limits)]

    def encoded(self, collection: str, within: Range) -> Iterable[tuple[Any, bytes]]:
        """Returns the ``_id`` and the BSON of each document in a range."""
        raw = self._of(collection).with_options(CodecOptions(RawBSONDocument))
        found = raw.find({}, batch_size=5_000)
        # Bounds of the index also divide ids of several types.
        if within.first is not None:
            found = found.min([("_id", within.first[0])])
        if within.last is not None:
            found = found.max([("_id", within.last[0])])
        if within != Range():
            found = found.hint(_INDEX)
        for document in found:
            # The document would decode itself more slowly.
            yield decode(document.raw, AS_NUMBERS)["_id"], bytes(document.raw)

    def _of(self, collection: str) -> Collection[dict[str, Any]]:
        return self._database[self._names.get(collection, collection)]
