"""Topics get more partitions, transactions are aborted, and records are as odd and as large as they may be."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient

from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS
from tests.faults.arena import Arena
from tests.faults.conftest import Arenas
from tests.foreign import order, payment

pytestmark = pytest.mark.on_demand


@pytest.fixture(scope="module", params=["embedded", "local"])
def running(arenas: Arenas, request: pytest.FixtureRequest) -> Callable[[], Arena]:
    """One of their own: these bring the watermark to now, and what is generated behind it is sent in real time."""
    return partial(arenas.get, request.param, "topics")


def test_a_topic_gets_more_partitions_under_load(arena: Arena) -> None:
    with arena.load():
        with KafkaAdminClient(bootstrap_servers=arena.environment.bootstrap) as admin:
            count = len(admin.describe_topics([ORDERS.topic])[0]["partitions"])
            admin.create_partitions({ORDERS.topic: count + 2})
        arena.note(f"{ORDERS.topic} from {count} to {count + 2} partitions")
        arena.recovered(datetime.now(UTC))
    # Whose metadata is newer than the change sends to the new ones, too.
    arena.produce()
    arena.check()


def test_what_a_transaction_aborted_is_not_there(arena: Arena) -> None:
    run = uuid.uuid4().hex[:8]
    now = datetime.now(UTC)
    foreign = Producer({"bootstrap.servers": arena.environment.bootstrap, "transactional.id": f"foreign-{run}"})
    foreign.init_transactions(30)
    for outcome, end in (("aborted", foreign.abort_transaction), ("committed", foreign.commit_transaction)):
        foreign.begin_transaction()
        for number in range(500):
            foreign.produce(ORDERS.topic, order(f"{outcome}-{run}-{number}", now))
            foreign.produce(PAYMENTS.topic, payment("p", f"{outcome}-{run}-{number}", now))
        foreign.produce(ORDERS.topic, b"{not json")
        assert foreign.flush(30) == 0
        end(30)
    arena.note("500 orders and payments aborted, 500 committed")
    arena.check()
    with arena.environment.database() as database:
        counts = {
            outcome: database[FACTS.name].count_documents({"order_id": {"$regex": f"^{outcome}-{run}-"}})
            for outcome in ("aborted", "committed")
        }
    assert counts == {"aborted": 0, "committed": 500}


def test_odd_records_and_a_killed_driver(arena: Arena) -> None:
    """Another client without keys: odd ids, a hot key, offsets in times, epoch 0, and records as large as may be."""
    run = uuid.uuid4().hex[:8]
    now = datetime.now(UTC)
    odd = [f"$set-{run}", f"a.b-{run}", f"x|y-{run}", f"x\\|y-{run}", f"žluť 🐎 {run}", '"};--', "l" * 900_000 + run]
    foreign = Producer({"bootstrap.servers": arena.environment.bootstrap, "message.max.bytes": 2_097_152})
    with arena.frozen("job"):
        for position, order_id in enumerate(odd):
            foreign.produce(ORDERS.topic, order(order_id, now, note={"extra": [True, None]}))
            for number in range(5000 if position == 0 else 2):
                foreign.produce(PAYMENTS.topic, payment(f"p\\{position}-{number}-{run}", order_id, now))
            foreign.flush(30)
        foreign.produce(ORDERS.topic, order(f"epoch-{run}", datetime.fromtimestamp(0, UTC)))
        for size in (1_000_000, 2_096_900):
            foreign.produce(ORDERS.topic, b"x" * size)
        assert foreign.flush(30) == 0
        before = arena.facts()
    arena.when("documents are being written", lambda: arena.facts() > before)
    arena.recovered(arena.signal("job", signal.SIGKILL))
    arena.check()
    with arena.environment.database() as database:
        assert database[FACTS.name].count_documents({"order_id": odd[0]}) == 5000
        assert database[FACTS.name].count_documents({"order_id": odd[-1]}) == 2
