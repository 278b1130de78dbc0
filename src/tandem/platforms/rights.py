"""Checks whether Kafka's user has the rights that a job needs on its topics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from tandem.engine.declare.stream import Stream
from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.provision import administrator, streams_of
from tandem.settings.model import KafkaSettings, Settings

_READ, _WRITE = "READ", "WRITE"
# Kafka's error code for a topic that the user may not even describe.
_NOT_AUTHORIZED = 29
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class MissingRight:
    """A right that the job needs and its user does not have.

    Attributes:
        operation: Kafka's name of the right.
        topic: the topic.
        consequence: what happens without it.
        stops: whether the job stops; False if it can still join the records.
    """

    operation: str
    topic: str
    consequence: str
    stops: bool = True


def missing_rights(
    kafka: KafkaSettings, streams: Sequence[Stream], dead_letter_topic: str, patience_ms: int = 10_000
) -> list[MissingRight]:
    """Returns the rights on existing topics that the user lacks.

    Those without which the job stops come first.

    Nothing is read or written: Kafka reports the user's rights when it describes a topic. The job needs no right on a
    consumer group, because Spark keeps the offsets.

    Args:
        kafka: Kafka's settings.
        streams: the pipeline's streams.
        dead_letter_topic: the topic of its rejected records.
        patience_ms: how long to try.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer, or refuses the user.
    """
    needed = list(_needed(sorted(stream.topic for stream in streams), dead_letter_topic))
    with administrator(kafka, "answer", bootstrap_timeout_ms=patience_ms) as admin:
        described = admin.describe_topics(sorted({right.topic for right in needed}))
    # A broker that does not report rights reports none at all, not even DESCRIBE.
    allowed = {topic["name"]: topic.get("authorized_operations") for topic in described if not topic["error_code"]}
    hidden = {topic["name"] for topic in described if topic["error_code"] == _NOT_AUTHORIZED}
    lacking = [
        right
        for right in needed
        if right.topic in hidden or (allowed.get(right.topic) and right.operation not in allowed[right.topic])
    ]
    return sorted(lacking, key=lambda right: not right.stops)


def _needed(sources: Iterable[str], dead_letter_topic: str) -> Iterator[MissingRight]:
    for topic in sources:
        yield MissingRight(_READ, topic, "the job cannot read its records")
        yield MissingRight(
            _WRITE,
            topic,
            f"control records will be refused, and unmatched documents will not appear while {topic} is quiet",
            stops=False,
        )
    yield MissingRight(_WRITE, dead_letter_topic, "the job stops at the first record that it rejects")
    yield MissingRight(
        _READ, dead_letter_topic, "the job stops when it repeats a batch, as it looks there for its dead letters"
    )


def in_words(kafka: KafkaSettings, missing: Sequence[MissingRight]) -> str:
    """Returns the missing rights and the consequences, in one line without a period."""
    each = (f"no {right.operation} right on topic {right.topic}: {right.consequence}" for right in missing)
    return f"the user {kafka.username or '(none)'} has {'; '.join(each)}"


def remedy(missing: Sequence[MissingRight]) -> str:
    """Returns what to do about missing rights."""
    rights = ", ".join(f"{right.operation} on {right.topic}" for right in missing)
    grant = f"grant the user {rights} (docs/guides/gcp.md lists the ACLs)"
    return grant if missing[0].stops else f"{grant}, or keep the topics' producers sending"


def check_rights(settings: Settings) -> None:
    """Warns of topics without WRITE right, which refuse control records.

    The job can still join their records.

    Raises:
        EnvironmentNotReadyError: a right is missing without which the job stops.
    """
    kafka = settings.kafka
    missing = missing_rights(kafka, *streams_of(settings.location))
    if missing and missing[0].stops:
        raise EnvironmentNotReadyError(in_words(kafka, missing), hint=remedy(missing))
    if missing:
        _log.warning(in_words(kafka, missing), hint=remedy(missing))
