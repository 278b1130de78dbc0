"""Asks Kafka whether the user may write to the topics that a pipeline reads: control records are appended to them."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.engine.declare.stream import Stream
from tandem.platforms.provision import administrator
from tandem.settings.model import KafkaSettings

GRANT = "grant WRITE on it to the user (docs/gcp.md lists the ACLs), or let its producers send all the time"


def unwritable(kafka: KafkaSettings, streams: Sequence[Stream], patience_ms: int = 10_000) -> list[str]:
    """Returns the streams' topics that the user may not write to; topics that are missing are left out.

    Nothing is written to find out: Kafka tells what a user may do with a topic that it describes.

    Args:
        kafka: where it is, and as whom to ask.
        streams: the pipeline's.
        patience_ms: how long to look for it.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer, or refuses the user.
    """
    with administrator(kafka, "answer", bootstrap_timeout_ms=patience_ms) as admin:
        described = admin.describe_topics([stream.topic for stream in streams])
    # A broker that does not tell says nothing at all, not even that the topic may be described.
    allowed = {topic["name"]: topic.get("authorized_operations") for topic in described if not topic["error_code"]}
    return sorted(name for name, operations in allowed.items() if operations and "WRITE" not in operations)


def consequence(kafka: KafkaSettings, topics: Sequence[str]) -> str:
    """Returns what follows for these topics, in one line without an end."""
    names = ", ".join(topics)
    return (
        f"the user {kafka.username or '(none)'} has no WRITE right on topic {names}: control records will be refused, "
        f"and unmatched documents will not appear while {names} is quiet"
    )
