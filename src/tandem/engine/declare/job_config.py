"""The job's configuration as one frozen value.

It holds references to secrets, never secrets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tandem.engine.declare.control_record import sender_of

# Exit codes of a failed job: the first allows a restart; after the second, a restart cannot help.
FAILED, MUST_NOT_GO_ON = 1, 4
# Google's addresses on its own machines.
METADATA = "http://metadata.google.internal"
SECRET_MANAGER = "https://secretmanager.googleapis.com"  # noqa: S105  # the service's address


@dataclass(frozen=True)
class KafkaConfig:
    """The job's connection to Kafka.

    Attributes:
        bootstrap: the bootstrap servers, ``host:port`` separated by commas.
        security: ``PLAINTEXT`` or ``SASL_SSL``.
        mechanism: with ``SASL_SSL``: ``PLAIN``, ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``.
        username: the user.
        password: a reference to the password (``engine.spark.secrets``).
        ca: PEM file of the authority that signed the brokers' certificates; None for the public ones.
    """

    bootstrap: str
    security: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    username: str | None = None
    password: str | None = None
    ca: str | None = None


@dataclass(frozen=True)
class MongoConfig:
    """The job's connection to MongoDB.

    Attributes:
        uri: the connection string, without a login.
        database: the database of all collections.
        username: the user.
        password: a reference to the password.
    """

    uri: str
    database: str
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class JobConfig:
    """The configuration of a job.

    Attributes:
        pipeline: the pipeline's name in progress reports.
        kafka: the connection to Kafka.
        mongo: the connection to MongoDB.
        checkpoint: the folder of Spark's offsets and state; any URI that Hadoop can write.
        lateness_seconds: how far an event time may lie behind the newest one before the record is late.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
        idle_timeout_seconds: a topic without new events for this long no longer holds back the watermark.
        outage_tolerance_seconds: while all topics are quiet, the watermark stays this long behind now.
        log_format: ``text`` or ``json``.
        log_levels: levels of Spark's loggers, by name, on platforms that cannot set them otherwise.
        trigger_seconds: the time from one batch's start to the next; 0 starts a batch as soon as there are records.
        metadata_url: the metadata server of Google's machines; for ``gsm:`` references only.
        secret_manager_url: the Secret Manager of those references.
        parameters: keyword arguments of the pipeline's transform.
        final_exit_code: the exit code if a restart cannot help; the platform does not restart the job after it.
        failure_file: for platforms that restart the job after every exit: the job writes here why a restart cannot
            help, and waits for a signal before it exits. None for other platforms.
    """

    pipeline: str
    kafka: KafkaConfig
    mongo: MongoConfig
    checkpoint: str
    lateness_seconds: int
    max_clock_skew_seconds: int
    idle_timeout_seconds: int
    outage_tolerance_seconds: int
    log_format: str = "text"
    log_levels: Mapping[str, str] = field(default_factory=dict)
    trigger_seconds: float = 0.0
    metadata_url: str = METADATA
    secret_manager_url: str = SECRET_MANAGER
    parameters: Mapping[str, Any] = field(default_factory=dict)
    final_exit_code: int = MUST_NOT_GO_ON
    failure_file: str | None = None

    @property
    def sender(self) -> str:
        """The job's name in its control records."""
        return sender_of(self.mongo.database, self.pipeline)

    @classmethod
    def parse(cls, text: str) -> JobConfig:
        """Returns the configuration in a JSON text.

        Raises TypeError if a field is missing or unknown.
        """
        values = json.loads(text)
        kafka, mongo = KafkaConfig(**values.pop("kafka", {})), MongoConfig(**values.pop("mongo", {}))
        return cls(kafka=kafka, mongo=mongo, **values)

    def to_json(self) -> str:
        """Returns the text that ``parse`` reads."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)
