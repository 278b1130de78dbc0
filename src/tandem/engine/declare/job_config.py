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
class JobConfig:
    """Tells the job where to read and write.

    Attributes:
        pipeline: name under which progress is reported.
        bootstrap: Kafka's bootstrap servers, ``host:port`` separated by commas.
        mongo_uri: MongoDB's connection string, without a login.
        database: MongoDB database of all collections.
        checkpoint: where Spark keeps offsets and state; any URI that Hadoop can write.
        lateness_seconds: how far an event time may lie behind the newest one before the record is late.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
        idle_timeout_seconds: after so long without records a topic no longer holds back the others.
        outage_tolerance_seconds: while all topics are quiet, events of up to so long ago are still waited for.
        kafka_security: ``PLAINTEXT`` or ``SASL_SSL``.
        kafka_mechanism: with ``SASL_SSL``: ``PLAIN``, ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``.
        kafka_username: who logs in to Kafka.
        kafka_password: a reference (``engine.spark.secrets``).
        kafka_ca: PEM file of the authority that signed the brokers' certificates; None for the public ones.
        mongo_username: who logs in to MongoDB.
        mongo_password: a reference.
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
    bootstrap: str
    mongo_uri: str
    database: str
    checkpoint: str
    lateness_seconds: int
    max_clock_skew_seconds: int
    idle_timeout_seconds: int
    outage_tolerance_seconds: int
    kafka_security: str = "PLAINTEXT"
    kafka_mechanism: str = "PLAIN"
    kafka_username: str | None = None
    kafka_password: str | None = None
    kafka_ca: str | None = None
    mongo_username: str | None = None
    mongo_password: str | None = None
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
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Returns the text that ``parse`` reads."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)
