"""Checks whether Kafka's user may append control records to a pipeline's topics."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.engine.declare.stream import Stream
from tandem.platforms.provision import administrator
from tandem.settings.model import KafkaSettings

GRANT = "grant WRITE on it to the user (docs/guides/gcp.md lists the ACLs), or keep its producers sending"


def unwritable(kafka: KafkaSettings, streams: Sequence[Stream], patience_ms: int = 10_000) -> list[str]:
    """Returns the streams' topics that the user may not write to, without missing topics.

    Nothing is written: Kafka reports the user's rights when it describes a topic.

    Args:
        kafka: Kafka's settings.
        streams: the pipeline's streams.
        patience_ms: how long to try.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer, or refuses the user.
    """
    with administrator(kafka, "answer", bootstrap_timeout_ms=patience_ms) as admin:
        described = admin.describe_topics([stream.topic for stream in streams])
    # A broker that does not report rights reports none at all, not even DESCRIBE.
    allowed = {topic["name"]: topic.get("authorized_operations") for topic in described if not topic["error_code"]}
    return sorted(name for name, operations in allowed.items() if operations and "WRITE" not in operations)


def consequence(kafka: KafkaSettings, topics: Sequence[str]) -> str:
    """Returns the consequence for these topics, in one line without a period."""
    names = ", ".join(topics)
    return (
        f"the user {kafka.username or '(none)'} has no WRITE right on topic {names}: control records will be refused, "
        f"and unmatched documents will not appear while {names} is quiet"
    )
