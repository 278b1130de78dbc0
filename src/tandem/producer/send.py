"""Sends records at a rate, and accounts for every record."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import prometheus_client
import structlog
from kafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.producer.ledger import Ledger, Outcome, Record

log = structlog.get_logger()

# The client does not bound its memory: without this, an outage would fill it.
MAX_IN_FLIGHT = 20_000
FLUSH_SECONDS = 10.0
# A sender that is further behind than this starts a new schedule, so that a pause causes no burst.
_CATCH_UP_SECONDS = 1.0
_QUIET_SECONDS = 5.0
# Kafka's errors for a rejected record. After any other error, an earlier attempt may have been written.
_REJECTIONS = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
SENT_RECORDS = prometheus_client.Counter(
    "tandem_producer_records", "Records by class (valid, repeat, ...) and outcome.", ["topic", "class", "outcome"]
)


class Producer(Protocol):
    """The used part of ``kafka.KafkaProducer``."""

    def send(self, topic: str, *, value: bytes | None, key: bytes | None, partition: int | None) -> Any:
        """Sends a record and returns a future of its position."""


@dataclass(frozen=True)
class Summary:
    """The numbers of sent records.

    Attributes:
        counts: the number of records by class and outcome.
        seconds: the time from the first record to the last answer.
    """

    counts: dict[str, dict[str, int]]
    seconds: float

    def total(self, outcome: Outcome | None = None) -> int:
        """Returns the number of records, or of those with one outcome."""
        return sum(
            number for by in self.counts.values() for name, number in by.items() if outcome is None or name == outcome
        )

    @property
    def rate(self) -> float:
        """Confirmed records per second."""
        return self.total(Outcome.ACKED) / self.seconds if self.seconds else 0.0


def send(
    records: Iterable[Record],
    producer: Producer,
    ledger: Ledger,
    *,
    rate: float | None = None,
    stop: threading.Event,
    flush_seconds: float = FLUSH_SECONDS,
) -> Summary:
    """Returns the outcomes of the records.

    It waits for the last answer, or ``flush_seconds`` after the stop.

    Args:
        records: consumed one by one as they are sent.
        producer: a connected producer.
        ledger: gets one line for each record handed to the producer.
        rate: records per second; None for no limit. A record's own ``due`` always counts.
        stop: ends the sending at once; records in flight are awaited.
        flush_seconds: how long to wait for answers after the stop; a record without one is ``unknown``.
    """
    began = time.monotonic()
    deliveries = _Deliveries(ledger)
    source = iter(records)
    try:
        for _ in _turns(rate, stop):
            if not deliveries.wait_below(MAX_IN_FLIGHT, stop):
                break
            record = next(source, None)
            if record is None or (record.due is not None and stop.wait(max(0.0, record.due - time.time()))):
                break
            deliveries.send(record, producer)
        # Without a stop, no deadline is needed: the client answers each record within its delivery timeout.
        if not deliveries.wait_below(1, stop):
            deliveries.wait_below(1, threading.Event(), timeout=flush_seconds)
    finally:
        counts = deliveries.close()
    return Summary(counts, time.monotonic() - began)


def _turns(rate: float | None, stop: threading.Event) -> Iterator[None]:
    due = time.monotonic()
    while not stop.is_set():
        yield
        if rate is None:
            continue
        now = time.monotonic()
        due = max(due, now - _CATCH_UP_SECONDS) + 1 / rate
        if due > now and stop.wait(due - now):
            return


class _Deliveries:
    """The records in flight; answers come from the client's own thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changed = threading.Condition()
        self._pending: dict[int, Record] = {}
        self._number = 0
        self._counts: Counter[tuple[str, Outcome]] = Counter()
        self._closed = False

    def send(self, record: Record, producer: Producer) -> None:
        self._number += 1
        number = self._number
        self._pending[number] = record
        try:
            future = producer.send(record.topic, value=record.value, key=record.key, partition=record.partition)
        except KafkaError as error:
            # The client rejected it.
            self._failed(number, Outcome.FAILED, error)
            return
        future.add_callback(self._acked, number)
        future.add_errback(self._refused, number)

    def wait_below(self, limit: int, stop: threading.Event, timeout: float | None = None) -> bool:
        """Returns True once few are in flight, False after a stop or the timeout."""
        if len(self._pending) < limit:
            return True
        began = time.monotonic()
        warned = False
        with self._changed:
            while len(self._pending) >= limit:
                waited = time.monotonic() - began
                if stop.is_set() or (timeout is not None and waited >= timeout):
                    return False
                if waited > _QUIET_SECONDS and not warned:
                    log.warning("Kafka has not answered for a while", in_flight=len(self._pending))
                    warned = True
                self._changed.wait(0.1)
        if warned:
            log.info("Kafka answers again", waited_seconds=round(time.monotonic() - began, 1))
        return True

    def close(self) -> dict[str, dict[str, int]]:
        """Returns the number of records by class and outcome.

        A record without an answer is unknown.
        """
        with self._changed:
            self._closed = True
            for record in self._pending.values():
                self._count(record, Outcome.UNKNOWN)
            result: dict[str, dict[str, int]] = {}
            for (kind, outcome), number in sorted(self._counts.items()):
                result.setdefault(kind, {})[outcome.value] = number
            return result

    def _acked(self, number: int, place: Any) -> None:
        with self._changed:
            if not self._closed:
                self._count(self._pending.pop(number), Outcome.ACKED, place.partition, place.offset)
                self._changed.notify()

    def _refused(self, number: int, error: BaseException) -> None:
        self._failed(number, Outcome.FAILED if isinstance(error, _REJECTIONS) else Outcome.UNKNOWN, error)

    def _failed(self, number: int, outcome: Outcome, error: BaseException) -> None:
        with self._changed:
            if self._closed:
                return
            if not any(known is outcome for _, known in self._counts):
                log.warning("a record was not confirmed", outcome=outcome.value, error=type(error).__name__)
            self._count(self._pending.pop(number), outcome)
            self._changed.notify()

    def _count(self, record: Record, outcome: Outcome, partition: int | None = None, offset: int | None = None) -> None:
        self._counts[record.kind, outcome] += 1
        _count(record.topic, record.kind, outcome.value)
        self._ledger.write(record, outcome, partition, offset)


def _count(topic: str, kind: str, outcome: str) -> None:
    """Counts one record with a known outcome."""
    SENT_RECORDS.labels(topic, kind, outcome).inc()


def serve_metrics(place: str) -> None:
    """Serves ``/metrics`` from a thread until the process ends.

    Args:
        place: ``address:port``.

    Raises:
        UsageError: it has another form.
        EnvironmentNotReadyError: the port is in use, or the address is not this machine's.
    """
    address, _, port = place.rpartition(":")
    if not address or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--metrics {place!r} is not ADDRESS:PORT", hint="for example --metrics 127.0.0.1:9464")
    try:
        prometheus_client.start_http_server(int(port), address)
    except OSError as error:
        raise EnvironmentNotReadyError(
            f"metrics cannot be served at {place}: {error.strerror}", hint="choose another port, or remove --metrics"
        ) from None
