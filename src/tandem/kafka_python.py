"""Makes clients of kafka-python. One that finds no Kafka would leave a thread and its sockets behind, each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka.net.compat import KafkaNetClient


def made(kind: Callable[..., Any], **options: Any) -> Any:
    """Returns a client.

    The library (3.0.12) starts the thread before it looks for Kafka, and forgets it when it finds none. Whoever tries
    again for as long as Kafka is away would have no files left within the hour.

    Args:
        kind: ``KafkaConsumer`` or ``KafkaAdminClient``.
        options: the client's.

    Raises:
        KafkaError: Kafka does not answer, or refuses the user.
    """
    connections: list[KafkaNetClient] = []

    def connect(**told: Any) -> KafkaNetClient:
        connections.append(KafkaNetClient(**told))
        return connections[-1]

    try:
        return kind(**options, kafka_client=connect)
    except BaseException:
        for each in connections:
            each.close()
        raise
