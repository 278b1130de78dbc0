"""Cold start: from `tandem up` to the first fact, with and without Java's archive.

It also measures the start of Spark alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tandem.artifacts import ensure_jars
from tandem.errors import TandemError
from tandem.local_spark.java import find_java
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS
from tandem.platforms import environment_for
from tandem.runtimes import runtimes
from tandem.settings.connections import mongo_client
from tandem.settings.model import KafkaSettings, MongoSettings, Settings
from tandem.waiting import NotYetError, wait_for
from tandem_bench import programs
from tandem_bench.reports import Reports
from tandem_bench.result import Figure, Part, Row, RowKind
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import ignoring_interrupts, new_testbed, variables

T = TypeVar("T")
_DEADLINE_S = 240.0


class _Start(NamedTuple):
    """Seconds from the command to each step of the start."""

    topics: float
    query: float
    fact: float
    end: float


def measure(config: RunConfig) -> Part:
    """Returns the seconds to each step of a start; a quick run has no first start."""
    later: list[_Start] = []
    alone: list[float] = []
    first: list[_Start] = []
    for number in range(config.rounds):
        config.say(f"cold start, round {number + 1} of {config.rounds}")
        if not config.quick:
            with _nothing_learned(config.settings) as unlearned:
                first.append(_start(unlearned))
        later.append(_start(config.settings))
        alone.append(_spark_alone(config.settings))
    rows = [
        Row(f"{name}, to {what}", "s", Figure(tuple(seconds)))
        for name, found in (("a later start", later), ("the first start", first))
        if found
        for what, seconds in (
            ("the first fact", [each.fact for each in found]),
            ("Kafka's topics", [each.topics for each in found]),
            ("the start of the query", [each.query for each in found]),
            ("the return of `up --wait`", [each.end for each in found]),
        )
    ]
    rows.append(Row("Spark alone, to its first count", "s", Figure(tuple(alone)), RowKind.LIMIT))
    return Part("cold_start", "`tandem up --wait` with nothing there", rows, {"rounds": config.rounds})


@contextmanager
def _nothing_learned(settings: Settings) -> Iterator[Settings]:
    """Yields settings with a cache of jars only, as at the very first start."""
    java = find_java(settings.java_home, runtimes().minimum_java)
    ensure_jars(settings.cache_dir, java.program)
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        (Path(folder) / "jars").symlink_to(settings.cache_dir / "jars")
        yield settings.model_copy(update={"cache_dir": Path(folder)})


def _start(settings: Settings) -> _Start:
    environment = environment_for(settings)
    environment.stop(volumes=True)
    command = (sys.executable, "-m", "tandem", "up", "--wait")
    began = time.time()
    try:
        process = subprocess.Popen(
            command, env=variables(settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            # Its output is short, so it is read after its end.
            topics = _send_one_pair(settings.kafka, process)
            fact = _first_fact(settings.mongo, process)
            output, _ = process.communicate(timeout=_DEADLINE_S)
        finally:
            process.kill()
            process.communicate()
        if process.returncode != 0:
            raise TandemError(f"`tandem up` failed: {output.strip()}", hint="see the logs")
        end = time.time()
        with Reports(settings) as reports:
            query = reports.started_at()
        return _Start(*(moment - began for moment in (topics, query, fact, end)))
    finally:
        with ignoring_interrupts():
            environment.stop(volumes=True)


def _spark_alone(settings: Settings) -> float:
    """Returns the seconds to start an idle driver, while Kafka and MongoDB are idle."""
    with new_testbed(settings) as testbed:
        began = time.time()
        with programs.running_on_spark("peers/spark_session", (), testbed) as program:
            return float(program.answer()["at"]) - began


def _send_one_pair(kafka: KafkaSettings, process: subprocess.Popen[str]) -> float:
    """Sends an order and its payment once the topics exist.

    Returns the time, in seconds since the epoch.
    """

    # The client's pause between two attempts to connect would be part of the figure.
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 100})

    def probe() -> None:
        _check(process)
        known = admin.list_topics(timeout=1.0).topics
        if not {ORDERS.topic, PAYMENTS.topic} <= known.keys():
            raise NotYetError("Kafka has no topics yet")

    _wait("Kafka's topics", probe, KafkaException)
    there = time.time()
    now = datetime.now(UTC).isoformat()
    order = {"order_id": "o-1", "order_date": now, "created_at": now, "customer_id": "c-1", "amount": 1}
    payment = {"payment_id": "p-1", "order_id": "o-1", "payment_date": now, "created_at": now, "amount": 1}
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for topic, value in ((ORDERS.topic, order), (PAYMENTS.topic, payment)):
        producer.produce(topic, key=b"o-1", value=json.dumps(value).encode())
    producer.flush()
    return there


def _first_fact(mongo: MongoSettings, process: subprocess.Popen[str]) -> float:
    """Returns the time of the first fact, in seconds since the epoch."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(**mongo_client(mongo), serverSelectionTimeoutMS=500) as client:

        def probe() -> float:
            _check(process)
            if client[mongo.database][FACTS.name].find_one() is None:
                raise NotYetError("there is no fact")
            return time.time()

        return _wait("the first fact", probe, PyMongoError)


def _check(process: subprocess.Popen[str]) -> None:
    if process.poll():
        output, _ = process.communicate()
        raise TandemError(f"`tandem up` failed: {output.strip()}", hint="see the logs")


def _wait(what: str, probe: Callable[[], T], retry_on: type[Exception]) -> T:
    return wait_for(what, probe, deadline_s=_DEADLINE_S, hint="see the logs", retry_on=(retry_on,), interval_s=0.05)
