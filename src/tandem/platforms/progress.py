"""Reads the job's progress reports from MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import UTC
from typing import Any

from bson.codec_options import CodecOptions
from kafka import TopicPartition
from kafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tandem.engine.declare.stream import BATCH_COLLECTION, JOB_COLLECTION
from tandem.errors import EnvironmentNotReadyError
from tandem.kafka_python import reader
from tandem.settings.connections import kafka_client, mongo_client
from tandem.settings.model import KafkaSettings, MongoSettings, Settings
from tandem.verify.settle import newest_report

Committed = Mapping[str, Mapping[str, int]]


class ProgressReader:
    """Reads the newest progress document over one connection.

    Args:
        mongo: MongoDB's settings.
        pipeline: the pipeline's name.
    """

    def __init__(self, mongo: MongoSettings, pipeline: str) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(
            **mongo_client(mongo), serverSelectionTimeoutMS=1000, connectTimeoutMS=1000, connect=False
        )
        aware = CodecOptions[dict[str, Any]](tz_aware=True, tzinfo=UTC)
        self._database = self._client[mongo.database]
        self._collection = self._database.get_collection(JOB_COLLECTION, codec_options=aware)
        self._pipeline = pipeline

    def answers(self) -> bool:
        """Returns whether MongoDB has a writable primary."""
        try:
            return bool(self._client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False

    def newest(self) -> dict[str, Any] | None:
        """Returns the newest document; None if there is none, or no answer."""
        try:
            return newest_report(self._collection, self._pipeline)
        except PyMongoError:
            return None

    def batch(self, name: str) -> dict[str, Any] | None:
        """Returns the stored document of a run of ``engine.run.batch``.

        None if it stored none.

        ``error`` is why it failed, or None, and then ``report`` is its report as JSON.

        Raises:
            EnvironmentNotReadyError: MongoDB does not answer.
        """
        try:
            return self._database[BATCH_COLLECTION].find_one({"_id": name})
        except PyMongoError as error:
            raise EnvironmentNotReadyError(
                f"MongoDB does not answer, and it has the report of {name}: {type(error).__name__}",
                hint="run the command again; it is safe",
            ) from None

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


def progress_of(settings: Settings) -> closing[ProgressReader]:
    """Returns a reader of a pipeline's progress, for a ``with`` statement."""
    return closing(ProgressReader(settings.mongo, settings.pipeline))


def lag(kafka: KafkaSettings, topics: Collection[str], committed: Committed) -> int | None:
    """Returns the number of uncommitted records; None if Kafka does not answer.

    Records of an open transaction do not count: the job cannot read them yet.

    Args:
        kafka: Kafka's settings.
        topics: the topics that the job reads.
        committed: the next offset to read by topic and partition, as in a progress document.
    """
    try:
        consumer = reader(**kafka_client(kafka), bootstrap_timeout_ms=2000, request_timeout_ms=5000)
        try:
            parts = [
                TopicPartition(topic, number)
                for topic in topics
                for number in consumer.partitions_for_topic(topic) or ()
            ]
            first, end = consumer.beginning_offsets(parts), consumer.end_offsets(parts)
        finally:
            consumer.close()
    except KafkaError:
        return None
    return sum(int(end[part] - committed.get(part.topic, {}).get(str(part.partition), first[part])) for part in parts)
