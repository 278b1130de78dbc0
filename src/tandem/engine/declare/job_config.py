"""The job's configuration as one frozen value. It holds references to secrets, never secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Exit codes of a job that failed: it may be restarted, or a restart cannot help.
FAILED, MUST_NOT_GO_ON = 1, 4
# Google's addresses on its own machines.
METADATA = "http://metadata.google.internal"
SECRET_MANAGER = "https://secretmanager.googleapis.com"  # noqa: S105  # the service's address


@dataclass(frozen=True)
class KafkaConfig:
    """Tells the job how to reach Kafka.

    Attributes:
        bootstrap: the bootstrap servers, ``host:port`` separated by commas.
        security: ``PLAINTEXT`` or ``SASL_SSL``.
        mechanism: with ``SASL_SSL``: ``PLAIN``, ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``.
        username: who logs in.
        password: a reference (``engine.spark.secrets``).
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
    """Tells the job how to reach MongoDB.

    Attributes:
        uri: the connection string, without a login.
        database: the database of all collections.
        username: who logs in.
        password: a reference.
    """

    uri: str
    database: str
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class JobConfig:
    """Tells the job where to read and write.

    Attributes:
        pipeline: name under which progress is reported.
        kafka: how to reach Kafka.
        mongo: how to reach MongoDB.
        checkpoint: where Spark keeps offsets and state; any URI that Hadoop can write.
        lateness_seconds: how far an event time may lie behind the newest one before the record is late.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
        idle_timeout_seconds: after so long without records a topic no longer holds back the others.
        outage_tolerance_seconds: while all topics are quiet, events of up to so long ago are still waited for.
        log_format: ``text`` or ``json``.
        log_levels: of Spark's loggers, by name, where nothing else can set them.
        trigger_seconds: from one batch's start to the next one's; 0 for as soon as there are records.
        metadata_url: who tells a machine of Google's who it is; for ``gsm:`` references only.
        secret_manager_url: who has the secrets of those.
        parameters: keyword arguments of the pipeline's transform.
        final_exit_code: how the job ends when a restart cannot help: a code that this platform does not restart after.
        failure_file: where every exit is followed by a restart, the job writes here why a restart cannot help, and
            waits for a signal before it exits; None elsewhere.
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

    @classmethod
    def parse(cls, text: str) -> JobConfig:
        """Returns the configuration in a JSON text; raises TypeError where a field is missing or unknown."""
        values = json.loads(text)
        kafka, mongo = KafkaConfig(**values.pop("kafka", {})), MongoConfig(**values.pop("mongo", {}))
        return cls(kafka=kafka, mongo=mongo, **values)

    def to_json(self) -> str:
        """Returns the text that ``parse`` reads."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)
