"""Sends plain records at a high rate, with little load on the machine.

It measures no latency.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Self

from confluent_kafka import Producer

from tandem.engine.declare.iso_time import iso_time
from tandem.errors import TandemError
from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.settings.model import KafkaSettings
from tandem_bench.bulk_load import PRODUCER

_TICK_S = 0.01
_FLUSH_S = 60.0
# A payment comes this long after its order.
_PAID_AFTER_S = 2.0
# One of this many moments has a payment without an order, a repeated order, or an invalid payment.
_UNMATCHED, _REPEATED, _MALFORMED = 20, 10, 50
_RECORDS = 2 + 1 / _REPEATED + 1 / _MALFORMED
# The least part of its rate that a measurement may have.
_SLOWEST = 0.95


class PlainLoad:
    """Sends orders and, seconds later, their payments while the block runs.

    Args:
        kafka: Kafka's settings, without a login.
        rate: records a second, of both streams together.

    Attributes:
        sent: the number of records that the producer accepted.
    """

    def __init__(self, kafka: KafkaSettings, rate: float) -> None:
        self.sent = 0
        self._rate = rate
        self._name = f"plain-{secrets.token_hex(4)}"
        self._producer = Producer({**PRODUCER, "linger.ms": 5, "bootstrap.servers": kafka.bootstrap})
        self._error: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plain load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait(self, seconds: float) -> None:
        """Keeps sending for some seconds."""
        self._stop.wait(seconds)

    def check(self, since: int, seconds: float) -> None:
        """Raises if the load did not have its rate.

        Args:
            since: the value of ``sent`` at the beginning.
            seconds: the time since then.

        Raises:
            TandemError: Kafka rejected a record, or this program is too slow, so the measurement is invalid.
        """
        if self._error:
            raise TandemError(f"Kafka rejected a record: {self._error}", hint="check that the disk is not full")
        if (reached := (self.sent - since) / seconds) < _SLOWEST * self._rate:
            raise TandemError(
                f"the bench sent {reached:.0f} records a second instead of {self._rate:.0f}",
                hint="choose a lower --rate; the measurement is invalid",
            )

    def end(self) -> None:
        """Stops sending; returns when Kafka has all records."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(_FLUSH_S)

    def _run(self) -> None:
        began, number = time.monotonic(), 0
        delay = int(_PAID_AFTER_S * self._rate / _RECORDS)
        while not self._stop.wait(_TICK_S):
            date = iso_time(datetime.now(UTC))
            due = int((time.monotonic() - began) * self._rate / _RECORDS)
            for each in range(number, due):
                for topic, key, value in moment(self._name, each, delay, date):
                    self._take(topic, key, value)
            number = due
            self._producer.poll(0)

    def _take(self, topic: str, key: str, value: str) -> None:
        while True:
            try:
                self._producer.produce(topic, value.encode(), key.encode(), on_delivery=self._answered)
            except BufferError:
                self._producer.poll(0.1)
                continue
            self.sent += 1
            return

    def _answered(self, error: Any, _message: Any) -> None:
        if error is not None and self._error is None:
            self._error = str(error)


def moment(name: str, number: int, delay: int, date: str) -> Iterator[tuple[str, str, str]]:
    """Yields the records of a moment: topic, key and value.

    Args:
        name: a prefix for ids.
        number: the moment's number.
        delay: the number of moments between an order and its payment.
        date: the event time, in ISO 8601.
    """
    order_id, amount = f"o-{name}-{number}", number % 100_000 + 1
    order = (
        f'{{"order_id":"{order_id}","order_date":"{date}","created_at":"{date}",'
        f'"customer_id":"customer-{number % 5000}","amount":{amount}}}'
    )
    yield ORDERS.topic, order_id, order
    if number % _REPEATED == 1:
        yield ORDERS.topic, order_id, order
    if number % _MALFORMED == 2:
        yield PAYMENTS.topic, order_id, order
    paid = number - delay
    paid_id = f"o-{name}-{paid}" if paid >= 0 and paid % _UNMATCHED else f"o-{name}-none-{number}"
    payment = (
        f'{{"payment_id":"p-{name}-{number}","order_id":"{paid_id}","payment_date":"{date}",'
        f'"created_at":"{date}","amount":{max(paid, 0) % 100_000 + 1}}}'
    )
    yield PAYMENTS.topic, paid_id, payment
