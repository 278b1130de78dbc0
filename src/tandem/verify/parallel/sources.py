"""Connects a worker to Kafka and MongoDB."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tandem.errors import EnvironmentNotReadyError
from tandem.settings.connections import mongo_client
from tandem.settings.model import Settings
from tandem.verify.expected import Documents
from tandem.verify.mongo_documents import AS_NUMBERS, MongoDocuments, Range
from tandem.verify.topics import Offsets, TopicReader, TopicRecord

_SERVER_SELECTION_MS = 10_000


class EncodedDocuments(Documents, Protocol):
    """Stored documents that can also be read without decoding them."""

    def ranges(self, collection: str) -> list[Range]:
        """Returns ranges that together have all documents."""

    def encoded(self, collection: str, within: Range) -> Iterable[tuple[Any, bytes]]:
        """Returns the ``_id`` and the BSON of each document in a range."""


class Sources(Protocol):
    """Where a worker reads from. It can be sent to another process."""

    def records(self, topic: str, starts: Offsets, ends: Offsets) -> Generator[TopicRecord]:
        """Yields each partition's records from ``starts`` to before ``ends``, in order."""

    def documents(self) -> AbstractContextManager[EncodedDocuments]:
        """Returns the stored documents, while the block runs."""


@dataclass(frozen=True)
class KafkaAndMongo:
    """The pipeline's Kafka and MongoDB."""

    settings: Settings

    def records(self, topic: str, starts: Offsets, ends: Offsets) -> Generator[TopicRecord]:
        """Yields each partition's records from ``starts`` to before ``ends``, in order."""
        with TopicReader(self.settings.kafka, topic) as reader:
            yield from reader.read(starts, ends)

    @contextmanager
    def documents(self) -> Iterator[EncodedDocuments]:
        """Yields MongoDB's documents."""
        mongo = self.settings.mongo
        client: MongoClient[dict[str, Any]]
        try:
            with MongoClient(**mongo_client(mongo), serverSelectionTimeoutMS=_SERVER_SELECTION_MS) as client:
                yield MongoDocuments(client.get_database(mongo.database, codec_options=AS_NUMBERS))
        except PyMongoError as error:
            raise unavailable(error) from None


def unavailable(error: PyMongoError) -> EnvironmentNotReadyError:
    """Returns the error for the user."""
    return EnvironmentNotReadyError(
        f"MongoDB does not answer: {type(error).__name__}", hint="check with `tandem status` that it is running"
    )
