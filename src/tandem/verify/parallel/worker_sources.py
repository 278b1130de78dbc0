"""Connects a worker to Kafka and MongoDB."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from tandem.settings.model import Settings
from tandem.verify.mongo_documents import MongoDocuments, Range, database_as_numbers
from tandem.verify.topics import Offsets, TopicReader, TopicRecord


class EncodedDocuments(Protocol):
    """Stored documents that are read without decoding them."""

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
        with database_as_numbers(self.settings.mongo) as database:
            yield MongoDocuments(database)
