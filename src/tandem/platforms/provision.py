"""Creates what a pipeline needs before its job starts: topics, indexes and the collection of progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import CollectionInvalid, OperationFailure, PyMongoError

from tandem.catalog import Place
from tandem.engine.schema import PROGRESS_COLLECTION, Stream
from tandem.errors import EnvironmentNotReadyError
from tandem.settings.connections import kafka_client, mongo_client
from tandem.settings.model import KafkaSettings, MongoSettings

# Of each collection, the fields of each index in order.
Indexes = Mapping[str, Sequence[Sequence[str]]]
PROGRESS_BYTES = 64 * 1024 * 1024
# A dead letter is the original record and headers about it, so it is larger than the largest record of 2 MiB.
DEAD_LETTER_BYTES = 4 * 1024 * 1024
# Of MongoDB's error codes those that no waiting mends.
_REFUSED = {13: "it may not do this", 18: "wrong name or password"}
_HINT = "`tandem logs` shows what it said"


def streams_of(place: Place) -> tuple[tuple[Stream, ...], str]:
    """Returns a pipeline's streams and its dead-letter topic, without importing Spark.

    Raises:
        UsageError: its module ``streams`` is wrong.
    """
    module = place.module("streams")
    return tuple(module.STREAMS), str(module.DEAD_LETTER_TOPIC)


def indexes_of(place: Place) -> Indexes:
    """Returns the indexes of a pipeline's collections besides that of ``_id``, without importing Spark.

    Raises:
        UsageError: its module ``streams`` is wrong.
    """
    indexes: Indexes = place.module("streams").INDEXES
    return indexes


def create_topics(kafka: KafkaSettings, streams: Sequence[Stream], dead_letter_topic: str) -> list[str]:
    """Returns the topics that were created. A topic that exists stays as it is.

    Records get the broker's time: by it, not by a producer's clock, the engine tells what lies in the future.

    Raises:
        EnvironmentNotReadyError: Kafka refused.
    """
    configs = {"message.timestamp.type": "LogAppendTime"}
    letters = {**configs, "max.message.bytes": str(DEAD_LETTER_BYTES)}
    wanted = {**dict.fromkeys((stream.topic for stream in streams), configs), dead_letter_topic: letters}
    options = {"num_partitions": kafka.partitions, "replication_factor": kafka.replication_factor}
    try:
        with KafkaAdminClient(**kafka_client(kafka)) as admin:
            missing = sorted(wanted.keys() - set(admin.list_topics()))
            if missing:
                try:
                    admin.create_topics(
                        {topic: {**options, "configs": wanted[topic]} for topic in missing}, wait_for_metadata=True
                    )
                except TopicAlreadyExistsError:  # by another process, since the list was made
                    admin.wait_for_topics(missing)
    except KafkaError as error:
        raise EnvironmentNotReadyError(f"Kafka did not create the topics: {error}", hint=_HINT) from error
    return missing


def create_collections(mongo: MongoSettings, indexes: Indexes) -> None:
    """Creates the collections' indexes and the capped collection in which the job reports its progress.

    Raises:
        EnvironmentNotReadyError: MongoDB refused.
    """
    client: MongoClient[dict[str, Any]]
    try:
        with MongoClient(**mongo_client(mongo), serverSelectionTimeoutMS=10_000) as client:
            database: Database[dict[str, Any]] = client[mongo.database]
            if PROGRESS_COLLECTION not in database.list_collection_names():
                with suppress(CollectionInvalid):  # created by another process, since the list was made
                    database.create_collection(PROGRESS_COLLECTION, capped=True, size=PROGRESS_BYTES)
            for collection, wanted in indexes.items():
                for fields in wanted:
                    database[collection].create_index([(field, 1) for field in fields])
    except PyMongoError as error:
        if isinstance(error, OperationFailure) and error.code in _REFUSED:
            raise EnvironmentNotReadyError(
                f"MongoDB refuses the user {mongo.username or '(none)'}: {_REFUSED[error.code]}",
                hint="look at mongo.username and mongo.password in `tandem config show`",
            ) from None
        raise EnvironmentNotReadyError(f"MongoDB did not create the collections: {error}", hint=_HINT) from error
