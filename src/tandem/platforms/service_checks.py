"""The doctor's checks of running services.

Each function returns a value or raises the problem.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from kafka import TopicPartition
from pymongo import MongoClient

from tandem.errors import TandemError
from tandem.kafka_python import reader
from tandem.platforms import provision
from tandem.platforms.compose.compose_project import Project
from tandem.platforms.compose.containers import Containers
from tandem.platforms.compose.engine import find_engine
from tandem.platforms.provision import (
    administrator,
    broker_time_fix,
    check_mongo,
    check_topics,
    producer_dated,
    streams_of,
)
from tandem.platforms.rights import in_words, missing_rights, remedy
from tandem.settings.connections import kafka_client, mongo_client
from tandem.settings.model import Settings
from tandem.verify.topics import check_uncompacted

_MAX_SKEW_S = 2.0
# Where `deploy` creates topics; elsewhere the start does.
_DEPLOYED = ("dataproc", "rehearsal")
_ASK_KAFKA = """
import logging, os, kafka
logging.disable()
admin = kafka.KafkaAdminClient(bootstrap_servers=os.environ["TANDEM_KAFKA__BOOTSTRAP"], bootstrap_timeout_ms=3000)
print(len(admin.list_topics()))
"""
START = "on this machine, start it with `tandem up` and see `tandem logs`; elsewhere, see its provider's console"


class Skipped(Exception):
    """A check does not apply now."""


def kafka(settings: Settings) -> str:
    """Returns Kafka's address, its brokers and the topics that `deploy` creates.

    Elsewhere, all of the pipeline's topics must exist.
    """
    with administrator(settings.kafka, "answer", bootstrap_timeout_ms=provision.LOOK_MS) as admin:
        brokers = len(admin.describe_cluster().get("brokers") or ())
        there = set(admin.list_topics())
    streams, dead = streams_of(settings.location)
    missing = sorted({dead, *(stream.topic for stream in streams)} - there)
    found = f"{settings.kafka.bootstrap}, {brokers} broker{'s' if brokers != 1 else ''}"
    if not missing:
        return f"{found}, all topics"
    if settings.backend not in _DEPLOYED:
        raise TandemError(f"{settings.kafka.bootstrap} lacks the topic {missing[0]}", hint=START)
    check_topics(settings.kafka, streams, dead)
    return f"{found}; deploy creates {', '.join(missing)}"


def uncompacted(settings: Settings) -> str:
    """Checks that Kafka does not compact the pipeline's topics."""
    streams, dead = streams_of(settings.location)
    with administrator(settings.kafka, "answer", bootstrap_timeout_ms=provision.LOOK_MS) as admin:
        there = {dead, *(stream.topic for stream in streams)} & set(admin.list_topics())
    if not there and settings.backend in _DEPLOYED:
        raise Skipped("deploy creates the topics")
    check_uncompacted(settings.kafka, sorted(there))
    return "none is compacted"


def kafka_rights(settings: Settings) -> str:
    """Checks that the user has the rights on the topics that the job needs.

    See ``rights.missing_rights``.
    """
    if missing := missing_rights(settings.kafka, *streams_of(settings.location), patience_ms=provision.LOOK_MS):
        raise TandemError(in_words(settings.kafka, missing), hint=remedy(missing))
    return "the job may read and write its topics"


def kafka_from_containers(settings: Settings) -> str:
    """Checks that Kafka's advertised address works in a container."""
    project = Project(settings)
    asked = project.containers.run_in(project.name, "dashboard", "python", "-c", _ASK_KAFKA)
    if asked is None:
        raise Skipped("the dashboard's container, in which this check runs, is not running")
    code, output = asked
    lines = output.strip().splitlines()
    if code != 0:
        raise TandemError(f"no answer in a container: {lines[-1][:200] if lines else f'exit code {code}'}", hint=START)
    return f"{lines[-1]} topics at the brokers' own address"


def record_times(settings: Settings) -> str:
    """Checks that the broker sets the timestamps of all source topics.

    Raises:
        TandemError: it does not; the hint has the commands that change it.
    """
    streams, _ = streams_of(settings.location)
    if topics := producer_dated(settings.kafka, streams):
        raise TandemError(
            f"{', '.join(topics)}: message.timestamp.type is CreateTime, so a producer's clock decides what is in the "
            "future, and a timestamp in nanoseconds stops the job",
            hint=broker_time_fix(settings.kafka, topics),
        )
    return "the broker dates all records"


def kafka_clock(settings: Settings) -> str:
    """Checks by the records' timestamps that the broker's clock is not ahead."""
    streams, _ = streams_of(settings.location)
    consumer = reader(**kafka_client(settings.kafka), bootstrap_timeout_ms=provision.LOOK_MS, request_timeout_ms=5000)
    ahead_of_now = int((time.time() + _MAX_SKEW_S) * 1000)
    try:
        others = producer_dated(settings.kafka, streams)
        parts = [
            TopicPartition(s.topic, n)
            for s in streams
            if s.topic not in others
            for n in consumer.partitions_for_topic(s.topic) or ()
        ]
        if not parts and settings.backend in _DEPLOYED:
            raise Skipped("deploy creates the topics")
        consumer.assign(parts)
        offsets = consumer.offsets_for_times(dict.fromkeys(parts, ahead_of_now))
    finally:
        consumer.close()
    if any(each is not None for each in offsets.values()):
        raise TandemError("the broker's clock is ahead", hint="set the clocks of both machines by NTP")
    return "no record is dated in the future"


def _client(settings: Settings) -> MongoClient[dict[str, Any]]:
    return MongoClient(**mongo_client(settings.mongo), serverSelectionTimeoutMS=provision.LOOK_MS, tz_aware=True)


def replica_set(settings: Settings) -> str:
    """Returns MongoDB's version and replica set; checks the login."""
    check_mongo(settings.mongo, patience_ms=provision.LOOK_MS)
    with _client(settings) as client:
        hello = client.admin.command("hello")
        version = client.server_info()["version"]
    if not hello.get("isWritablePrimary"):
        raise TandemError("it is no writable primary of a replica set", hint=START)
    return f"{version}, primary of {hello.get('setName')} with {len(hello.get('hosts', ()))} member"


def mongo_clock(settings: Settings) -> str:
    """Returns the offset of MongoDB's clock from this machine's."""
    with _client(settings) as client:
        before = time.time()
        # Without these options a command's times have no zone and would count as local time.
        theirs: datetime = client.admin.command("hello", codec_options=client.codec_options)["localTime"]
        return skew(theirs.timestamp(), before, time.time())


def engine_clock() -> str:
    """Returns the offset of the Docker engine's clock from this machine's."""
    containers = Containers(find_engine())
    before = time.time()
    # In the engine's own time zone.
    theirs = datetime.fromisoformat(containers.info()["SystemTime"]).timestamp()
    return skew(theirs, before, time.time())


def skew(theirs: float, before: float, after: float) -> str:
    """Returns the offset of another clock from this machine's.

    Args:
        theirs: the other clock's time, in seconds since the epoch.
        before: this machine's time before the request.
        after: this machine's time after the answer.

    Raises:
        TandemError: the offset is too large.
    """
    off = 0.0 if before <= theirs <= after else min(theirs - before, theirs - after, key=abs)
    if abs(off) > _MAX_SKEW_S:
        raise TandemError(f"{off:+.1f} s from this machine's", hint="set both by NTP; restart Docker Desktop")
    return f"{off:+.1f} s from this machine's"
