"""Records of a client of another kind: it knows the contract and nothing else of us."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any

from confluent_kafka import Producer
from kafka import KafkaConsumer

from tandem.engine.declare.stream import MOST_DELAY_MS
from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.verify.reference import micros


def order(order_id: str, time: datetime, **more: Any) -> bytes:
    times = dict.fromkeys(("order_date", "created_at"), time.isoformat())
    return json.dumps({"order_id": order_id, "customer_id": "c", "amount": 1, **times, **more}).encode()


def payment(payment_id: str, order_id: str, time: datetime, **more: Any) -> bytes:
    times = dict.fromkeys(("payment_date", "created_at"), time.isoformat())
    return json.dumps({"payment_id": payment_id, "order_id": order_id, "amount": 1, **times, **more}).encode()


def milliseconds(text: str) -> int:
    """Returns a valid time as MongoDB stores it."""
    number = micros(text)
    assert number is not None
    return number // 1000


def send_two_facts_of_one_customer(bootstrap: str, customer: str, age: timedelta = timedelta(hours=2)) -> None:
    """Sends two orders of a customer whom no generated order has, each with a payment, dated so long ago."""
    past = datetime.now(UTC) - age
    foreign = Producer({"bootstrap.servers": bootstrap})
    for name in ("one", "two"):
        foreign.produce(ORDERS.topic, order(name, past, customer_id=customer))
        foreign.produce(PAYMENTS.topic, payment("p", name, past))
    assert foreign.flush(30) == 0


def outlast_delay() -> None:
    """Returns when the job reads what is sent now after what was sent before.

    Within this time it may read the records of two topics in another order, and ``tandem verify`` accepts both.
    """
    sleep(MOST_DELAY_MS / 1000 + 0.1)


def send_with_a_lagging_partition(bootstrap: str, pairs: int = 1000) -> None:
    """Sends pairs of one hour to the first partition of both topics, then pairs of ten hours later to the second."""
    foreign = Producer({"bootstrap.servers": bootstrap})
    first = datetime.now(UTC) - timedelta(hours=12)
    for partition, dated in enumerate((first, first + timedelta(hours=10))):
        outlast_delay()
        for number in range(pairs):
            name = f"lagging-{partition}-{number}-{first.timestamp():.0f}"
            foreign.produce(ORDERS.topic, order(name, dated), partition=partition)
            foreign.produce(PAYMENTS.topic, payment(f"p-{name}", name, dated), partition=partition)
        assert foreign.flush(30) == 0


def dead_letters(bootstrap: str, topic: str) -> list[tuple[str, str]]:
    """Returns code and detail of each dead letter."""
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=5000)
    found = [{name: value.decode() for name, value in record.headers} for record in consumer]
    consumer.close()
    return [(headers["error"], headers["detail"]) for headers in found]
