"""Rejects compacted topics, whose removed records cannot be accounted for."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.kafka_python import made
from tandem.settings.connections import kafka_client
from tandem.settings.model import KafkaSettings

_POLICY = "cleanup.policy"
_PATIENCE_MS = 3000


def check_uncompacted(kafka: KafkaSettings, topics: Sequence[str]) -> None:
    """Raises if Kafka compacts a topic.

    Without the right to read topic configurations, nothing is checked.

    Args:
        kafka: Kafka's settings.
        topics: the names of topics.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer.
        TandemError: it compacts one.
    """
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic, [_POLICY]) for topic in topics]
    try:
        with made(KafkaAdminClient, **kafka_client(kafka), bootstrap_timeout_ms=_PATIENCE_MS) as admin:
            found = admin.describe_configs(wanted, config_filter="all").get("topic", {})
    except KafkaError as error:
        raise EnvironmentNotReadyError(
            f"Kafka at {kafka.bootstrap} does not answer: {type(error).__name__}",
            hint="check with `tandem status` that it is running",
        ) from None
    compacted = [topic for topic in topics if "compact" in (found.get(topic, {}).get(_POLICY, {}).get("value") or "")]
    if compacted:
        raise TandemError(
            f"Kafka compacts {', '.join(compacted)}: `tandem verify` cannot account for records that Kafka has removed",
            hint=f"set {_POLICY}=delete on the topic; records removed before stay missing",
        )
