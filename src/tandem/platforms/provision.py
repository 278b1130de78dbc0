"""Creates a pipeline's topics, indexes and progress collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import AuthorizationError, KafkaError, TopicAlreadyExistsError
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import CollectionInvalid, OperationFailure, PyMongoError

from tandem.catalog import PipelineLocation, declared_by
from tandem.engine.declare.stream import PROGRESS_COLLECTION, SUPERSEDED_COLLECTION, Stream
from tandem.errors import EnvironmentNotReadyError
from tandem.kafka_python import new_client
from tandem.producer.connect import WhyNot, was_refused
from tandem.settings.connections import kafka_client, mongo_client
from tandem.settings.model import KafkaSettings, MongoSettings, Settings

# The fields of each index in order, by collection.
Indexes = Mapping[str, Sequence[Sequence[str]]]
# The index for the job, which looks in every batch for a collection's notes and for those to remove.
_NOTES = (("collection", "until"),)
PROGRESS_BYTES = 64 * 1024 * 1024
# A dead letter is the original record and headers about it, so it is larger than the largest record of 2 MiB.
DEAD_LETTER_BYTES = 4 * 1024 * 1024
# MongoDB's error codes that waiting does not resolve.
_REFUSED = {13: "not authorized", 18: "wrong name or password"}
_PATIENCE_MS = 10_000
# For a look at services that run already, as by the doctor.
LOOK_MS = 3000
_TIMESTAMP_TYPE, _LOG_APPEND_TIME = "message.timestamp.type", "LogAppendTime"
_HINT = (
    "check that it is running (on this machine: `tandem up`), that the address is right, and that this machine may "
    "connect"
)


def streams_of(location: PipelineLocation) -> tuple[tuple[Stream, ...], str]:
    """Returns a pipeline's streams and its dead-letter topic; see ``declared_by``."""
    declared = declared_by(location)
    return declared.streams, declared.dead_letter_topic


def indexes_of(location: PipelineLocation) -> Indexes:
    """Returns the indexes of a pipeline's collections, without that of ``_id``.

    These are the collections that it writes or looks up.
    """
    declared = declared_by(location)
    written = {each.name: each.indexes for each in declared.collections}
    return written | {each.collection: each.indexes for each in declared.lookups}


def topics_of(kafka: KafkaSettings, streams: Sequence[Stream], dead_letter_topic: str) -> dict[str, dict[str, Any]]:
    """Returns the options of the topics to create, by name.

    Records get the broker's time: the engine compares event times with it, not with a producer's clock.
    """
    configs = {_TIMESTAMP_TYPE: _LOG_APPEND_TIME} | kafka.topic_configs
    letters = {**configs, "max.message.bytes": str(DEAD_LETTER_BYTES)}
    options = {"num_partitions": kafka.partitions, "replication_factor": kafka.replication_factor}
    wanted = {**dict.fromkeys((stream.topic for stream in streams), configs), dead_letter_topic: letters}
    return {topic: {**options, "configs": config} for topic, config in wanted.items()}


def check_kafka(kafka: KafkaSettings, patience_ms: int = _PATIENCE_MS) -> None:
    """Raises if Kafka does not answer or refuses the user.

    Args:
        kafka: Kafka's settings.
        patience_ms: how long to try.

    Raises:
        EnvironmentNotReadyError: the message names the reason.
    """
    with administrator(kafka, "answer", bootstrap_timeout_ms=patience_ms) as admin:
        admin.list_topics()


def check_mongo(mongo: MongoSettings, patience_ms: int = _PATIENCE_MS) -> None:
    """Raises if MongoDB does not answer or refuses the user.

    Args:
        mongo: MongoDB's settings.
        patience_ms: how long to try.

    Raises:
        EnvironmentNotReadyError: the message names the reason.
    """
    with database_of(mongo, "answer", patience_ms) as database:
        database.list_collection_names()


def create_topics(kafka: KafkaSettings, streams: Sequence[Stream], dead_letter_topic: str) -> list[str]:
    """Creates missing topics and returns their names; existing topics are left alone.

    Raises:
        EnvironmentNotReadyError: Kafka refused.
    """
    with _missing_topics(kafka, streams, dead_letter_topic) as (admin, missing):
        if missing:
            try:
                admin.create_topics(missing, wait_for_metadata=True)
            except TopicAlreadyExistsError:  # by another process, since the list was made
                admin.wait_for_topics(sorted(missing))
    return sorted(missing)


def check_topics(kafka: KafkaSettings, streams: Sequence[Stream], dead_letter_topic: str) -> None:
    """Raises if a topic is missing and Kafka would not create it. No topic is created.

    Raises:
        EnvironmentNotReadyError: the message names the reason.
    """
    with _missing_topics(kafka, streams, dead_letter_topic) as (admin, missing):
        if missing:
            with suppress(TopicAlreadyExistsError):
                admin.create_topics(missing, validate_only=True)


def producer_dated(kafka: KafkaSettings, streams: Sequence[Stream]) -> list[str]:
    """Returns the source topics whose records have their producers' time (``CreateTime``).

    Raises:
        EnvironmentNotReadyError: Kafka does not answer, or does not show the topics' settings to the user.
    """
    topics = [stream.topic for stream in streams]
    with administrator(kafka, "show the topics' settings", bootstrap_timeout_ms=LOOK_MS) as admin:
        there = set(admin.list_topics())
        asked = [ConfigResource("TOPIC", topic, [_TIMESTAMP_TYPE]) for topic in topics if topic in there]
        configs_of = admin.describe_configs(asked, config_filter="all")["topic"] if asked else {}
    if hidden := [topic for topic, configs in configs_of.items() if _TIMESTAMP_TYPE not in configs]:
        raise EnvironmentNotReadyError(
            f"Kafka at {kafka.bootstrap} does not show the settings of {', '.join(hidden)} to the user "
            f"{kafka.username or '(none)'}",
            hint="grant the user the ACLs in docs/guides/gcp.md; DESCRIBE_CONFIGS is missing",
        )
    return [topic for topic, configs in configs_of.items() if configs[_TIMESTAMP_TYPE]["value"] != _LOG_APPEND_TIME]


def broker_time_fix(kafka: KafkaSettings, topics: Sequence[str]) -> str:
    """Returns the commands that make the broker set the records' timestamps."""
    setting = f"{_TIMESTAMP_TYPE}={_LOG_APPEND_TIME}"
    if kafka.bootstrap.split(":")[0].endswith(".confluent.cloud"):
        return "; ".join(f"confluent kafka topic update {topic} --config {setting}" for topic in topics)
    alter = f"kafka-configs --bootstrap-server {kafka.bootstrap} --alter --entity-type topics"
    return "; ".join(f"{alter} --entity-name {topic} --add-config {setting}" for topic in topics)


@contextmanager
def _missing_topics(
    kafka: KafkaSettings, streams: Sequence[Stream], dead_letter_topic: str
) -> Iterator[tuple[Any, dict[str, dict[str, Any]]]]:
    """Yields a client and the missing topics with their options; see ``administrator``."""
    wanted = topics_of(kafka, streams, dead_letter_topic)
    with administrator(kafka, "create the topics") as admin:
        there = set(admin.list_topics())
        missing = {topic: options for topic, options in wanted.items() if topic not in there}
        try:
            yield admin, missing
        except AuthorizationError as error:
            # A topic that the user may not see counts as missing.
            raise EnvironmentNotReadyError(
                f"Kafka at {kafka.bootstrap} has no topic {', '.join(missing)} that the user "
                f"{kafka.username or '(none)'} may see, and does not let it create one: {type(error).__name__}",
                hint="grant the user the ACLs of docs/guides/gcp.md, or create the topics that `deploy --plan` shows",
            ) from None


def create_collections(mongo: MongoSettings, indexes: Indexes) -> None:
    """Creates the indexes and the capped collection of progress reports.

    Raises:
        EnvironmentNotReadyError: MongoDB refused.
    """
    with database_of(mongo, "create the collections") as database:
        if PROGRESS_COLLECTION not in database.list_collection_names():
            with suppress(CollectionInvalid):  # created by another process, since the list was made
                database.create_collection(PROGRESS_COLLECTION, capped=True, size=PROGRESS_BYTES)
        for collection, wanted in {**indexes, SUPERSEDED_COLLECTION: _NOTES}.items():
            for fields in wanted:
                database[collection].create_index([(field, 1) for field in fields])


def create_declared(settings: Settings) -> None:
    """Creates a pipeline's missing topics, indexes and collections.

    Raises:
        EnvironmentNotReadyError: Kafka or MongoDB refused.
    """
    create_topics(settings.kafka, *streams_of(settings.location))
    create_collections(settings.mongo, indexes_of(settings.location))


@contextmanager
def administrator(kafka: KafkaSettings, what: str, **options: Any) -> Iterator[Any]:
    """Yields a client; its errors become messages that Kafka did not do something.

    Args:
        kafka: Kafka's settings.
        what: the text after "did not" in the message.
        options: further options of the client.

    Raises:
        EnvironmentNotReadyError: Kafka refuses the user or does not answer.
    """
    why = WhyNot()
    try:
        with why, new_client(KafkaAdminClient, **kafka_client(kafka), **options) as admin:
            yield admin
    except KafkaError as error:
        cause, user = why.error or error, f"the user {kafka.username or '(none)'}"
        # A broker closes the connection after refusing. A client that reads both at once loses the refusal.
        closed = kafka.security == "SASL_SSL" and "disconnected" in str(cause)
        if closed or was_refused(cause):
            answer = f"closes the connection, as if it refused {user}" if closed else f"refuses {user}"
            raise EnvironmentNotReadyError(
                f"Kafka at {kafka.bootstrap} {answer}: {type(cause).__name__}",
                hint="check kafka.username and kafka.password in `tandem config show`, and the user's ACLs",
            ) from None
        raise EnvironmentNotReadyError(
            f"Kafka at {kafka.bootstrap} did not {what}: {_line(cause)}", hint=_hint(cause, "kafka")
        ) from error


@contextmanager
def database_of(mongo: MongoSettings, what: str, patience_ms: int = _PATIENCE_MS) -> Iterator[Database[dict[str, Any]]]:
    """Yields the database; its errors become messages, as for ``administrator``."""
    client: MongoClient[dict[str, Any]]
    try:
        with MongoClient(**mongo_client(mongo), serverSelectionTimeoutMS=patience_ms) as client:
            yield client[mongo.database]
    except PyMongoError as error:
        if isinstance(error, OperationFailure) and error.code in _REFUSED:
            raise EnvironmentNotReadyError(
                f"MongoDB refuses the user {mongo.username or '(none)'}: {_REFUSED[error.code]}",
                hint="check mongo.username and mongo.password in `tandem config show`",
            ) from None
        raise EnvironmentNotReadyError(f"MongoDB did not {what}: {_line(error)}", hint=_hint(error, "mongo")) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _hint(error: Exception, section: str) -> str:
    if "certificate" in str(error).lower():
        return f"check the server's certificate, this machine's clock and {section}.ca, the authority's file"
    return _HINT
