"""Every kind of record that there is, good and bad, goes through the whole pipeline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from confluent_kafka import Producer

from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, ORDERS, PAYMENTS
from tandem.verify import strict_json
from tandem.verify.topics import TopicReader
from tests.faults.arena import Arena
from tests.faults.conftest import Arenas
from tests.foreign import order, payment
from tests.spark.test_parse import DEAD, VALID

# The day that the matrix of the parser is written for.
ITS_DAY = b"2026-11-22"


@pytest.fixture(scope="module", params=["embedded", "local"])
def running(arenas: Arenas, request: pytest.FixtureRequest) -> Callable[[], Arena]:
    """One of their own: these bring the watermark to now, and what is generated behind it is sent in real time."""
    return partial(arenas.get, request.param, "data")


def moved(record: bytes, day: str, order_id: str) -> bytes:
    """Returns the record of that day, and of an order of its own where the matrix has the same for all."""
    return record.replace(ITS_DAY, day.encode()).replace(b'"o-1"', json.dumps(order_id).encode())


@pytest.mark.on_demand
def test_every_kind_of_record(arena: Arena) -> None:
    """What is dead becomes a dead letter byte for byte and moves no watermark; the rest is joined."""
    now = datetime.now(UTC)
    day = (now - timedelta(days=1)).date().isoformat()
    paid = datetime.fromisoformat(f"{day}T11:20:00+00:00")
    foreign = Producer({"bootstrap.servers": arena.environment.bootstrap, "message.max.bytes": 2_097_152})
    dead: Counter[bytes | None] = Counter()
    with arena.frozen("job"):
        for number, (item, error) in enumerate(DEAD.values()):
            key, value = item if isinstance(item, tuple) else (None, item)
            value = value and moved(value, day, f"dead-{number}")
            foreign.produce(ORDERS.topic, value, key)
            # What was too early when the matrix's records came is not any more.
            dead.update([value] if error != "future_time" else [])
        for number, record in enumerate(VALID.values()):
            value = moved(record, day, f"valid-{number}")
            foreign.produce(ORDERS.topic, value)
            foreign.produce(PAYMENTS.topic, payment(f"p-{number}", strict_json.parse(value.decode())["order_id"], paid))
        # On both topics: nothing but that they are refused keeps the watermark from going there.
        for ahead in (timedelta(minutes=10), timedelta(days=400), timedelta(days=365_000)):
            name, time = f"ahead-{ahead.days}", now + ahead
            for topic, value in ((ORDERS.topic, order(name, time)), (PAYMENTS.topic, payment(name, name, time))):
                foreign.produce(topic, value)
                dead[value] += 1
        assert foreign.flush(30) == 0
        arena.note(f"{len(DEAD)} kinds of malformed records, {len(VALID)} of odd ones, event times in the future")
    arena.environment.wait("lag 0", arena.environment.caught_up)
    arena.produce(count=500)
    report = arena.check()
    assert report["total"]["dead"] >= dead.total()
    with TopicReader(arena.environment.settings.kafka, DEAD_LETTER_TOPIC) as reader:
        letters = Counter(letter.value for letter in reader.read(reader.beginnings(), reader.ends()))
    assert dead - letters == Counter()
    assert arena.environment.status()["job"]["watermark"] < datetime.now(UTC).isoformat()
