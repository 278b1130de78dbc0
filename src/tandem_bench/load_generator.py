"""Sends records in real time and measures when their facts become visible."""

from __future__ import annotations

import heapq
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from confluent_kafka import Producer
from pymongo import MongoClient

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.pipelines.orders_payments.generator import events
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS
from tandem.producer.record_plan import Mix, Plan
from tandem.producer.sample import sample
from tandem.settings.connections import mongo_client
from tandem.settings.model import KafkaSettings, MongoSettings
from tandem.waiting import NotYetError, wait_for
from tandem_bench.bulk_load import PRODUCER, take
from tandem_bench.result import percentile

_AWAIT_MS = 100
_FLUSH_S = _OPEN_S = 30.0
# Longer than any batch of the job under this load.
_QUIET_S = 5.0
# The least part of its rate that a measurement may have.
_SLOWEST = 0.95


class Seen(NamedTuple):
    """A visible fact.

    Attributes:
        at: when it became visible, in seconds since the epoch.
        latency: seconds since the later one of its two records was given to the producer.
        sent_at: when that record was given to the producer.
    """

    at: float
    latency: float
    sent_at: float


class LoadGenerator:
    """Sends orders and payments, and records the times of sending.

    Args:
        kafka: Kafka's settings, without a login.
        rate: records a second, of both streams together.
    """

    def __init__(self, kafka: KafkaSettings, rate: float) -> None:
        self.sent: dict[tuple[str, str], float] = {}
        self._rate, self._taken = rate, 0
        self._producer = Producer({**PRODUCER, "linger.ms": 5, "bootstrap.servers": kafka.bootstrap})
        self._plan = Plan(
            seed=secrets.randbelow(1_000_000), count=None, start=datetime.now(UTC), mix=Mix(late=0), rate=rate / 2
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="generator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def run_for(self, warm_s: float, seconds: float) -> tuple[float, float]:
        """Keeps sending.

        Returns the beginning and the end of the measured time, in seconds since the epoch.

        Args:
            warm_s: seconds before the measured time begins.
            seconds: the measured time.

        Raises:
            TandemError: this program is too slow for the rate, so the measurement is invalid.
        """
        self._stop.wait(warm_s)
        since, before = time.time(), self._taken
        self._stop.wait(seconds)
        until = time.time()
        # Repeats and malformed records make it a little more.
        if (reached := (self._taken - before) / (until - since)) < _SLOWEST * self._rate and seconds >= 1:
            raise TandemError(
                f"the bench sent {reached:.0f} records a second instead of {self._rate:.0f}",
                hint="choose a lower --rate; the measurement is invalid",
            )
        return since, until

    def end(self) -> None:
        """Stops sending; returns when Kafka has all records."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(_FLUSH_S)

    def _run(self) -> None:
        streams = (sample(self._plan, stream, events) for stream in (ORDERS, PAYMENTS))
        for record in heapq.merge(*streams, key=lambda record: record.due or 0.0):
            if self._stop.wait(max(0.0, (record.due or 0.0) - time.time())):
                return
            while not take(self._producer, record.topic, record):
                if self._stop.is_set():
                    return
            self._taken += 1
            # A repeat produces no second fact.
            self.sent.setdefault((record.topic, record.id), time.time())
            self._producer.poll(0)


class Watch:
    """Records when facts become visible in a change stream, while the block runs.

    Args:
        mongo: the database.
        collection: the collection of facts.
    """

    def __init__(self, mongo: MongoSettings, collection: str = FACTS.name) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(**mongo_client(mongo), tz_aware=True)
        self._collection = self._client[mongo.database][collection]
        self._arrived: list[tuple[float, str, str]] = []
        self._dates: list[tuple[float, Any, Any]] = []
        self._open, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._open.wait(_OPEN_S):
            raise EnvironmentNotReadyError("MongoDB opened no change stream", hint="see its log")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def seen(self, generator: LoadGenerator) -> list[Seen]:
        """Returns the facts of all sent records, in order of arrival.

        It stops the generator and waits until no more facts arrive, so that slow ones are not left out.
        """
        generator.end()
        known = -1
        while known < len(self._arrived):
            known = len(self._arrived)
            self._stop.wait(_QUIET_S)
        return facts_seen(self._arrived, generator.sent)

    def dated(self) -> list[tuple[float, float]]:
        """Returns the visible time and the event time of each fact.

        The event time is that of the later one of its records.

        Both are in seconds since the epoch. In real time, an event is sent at its event time.
        """
        return [(at, max(ordered, paid).timestamp()) for at, ordered, paid in list(self._dates)]

    def first(self, generator: LoadGenerator, accepted: Callable[[Seen], bool], *, deadline_s: float) -> Seen:
        """Returns the first accepted fact.

        Raises:
            EnvironmentNotReadyError: none arrived in time.
        """
        place = len(self._arrived)

        def probe() -> Seen:
            for fact in facts_seen(self._arrived[place:], generator.sent):
                if accepted(fact):
                    return fact
            raise NotYetError(f"{len(self._arrived) - place} others came")

        return wait_for("a fact", probe, deadline_s=deadline_s, hint="see the logs", interval_s=0.02)

    def _run(self) -> None:
        inserts = [{"$match": {"operationType": "insert"}}]
        with self._collection.watch(inserts, max_await_time_ms=_AWAIT_MS) as stream:
            self._open.set()
            while not self._stop.is_set():
                change = stream.try_next()
                if change is not None:
                    fact = change["fullDocument"]
                    at = time.time()
                    self._arrived.append((at, fact["order_id"], fact["payment_id"]))
                    self._dates.append((at, fact.get("order_date"), fact.get("payment_date")))


def facts_seen(arrived: Sequence[tuple[float, str, str]], sent: Mapping[tuple[str, str], float]) -> list[Seen]:
    """Returns the arrivals with their latencies.

    Args:
        arrived: the time of each fact, with the ids of its order and its payment.
        sent: the time of each record's first sending, by topic and id.
    """
    measured = []
    for at, order_id, payment_id in arrived:
        both = (sent.get((ORDERS.topic, order_id)), sent.get((PAYMENTS.topic, payment_id)))
        if both[0] is not None and both[1] is not None:
            later = max(both[0], both[1])
            measured.append(Seen(at, at - later, later))
    return measured


def quantiles(seen: Sequence[Seen], since: float, until: float) -> tuple[float, float]:
    """Returns the median and 99th percentile of latencies, in seconds.

    The facts are those sent within a time.

    The time of sending counts, so that slow facts do not fall out of the window.

    Raises:
        ValueError: there is none.
    """
    latencies = [fact.latency for fact in seen if since <= fact.sent_at < until]
    return percentile(latencies, 0.5), percentile(latencies, 0.99)
