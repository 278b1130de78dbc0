"""Late records: counted where a user sees them, and repaired by `tandem reconcile`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer

from tandem.engine.declare.stream import SUPERSEDED_COLLECTION
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS, UNMATCHED
from tests import STATE
from tests.environment import Environment

BASE = datetime(2026, 1, 1, tzinfo=UTC)
NOTES = SUPERSEDED_COLLECTION
PLANTED = 100_000


class Sender:
    """A client of another kind, which waits until the job has committed what it sent."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._producer = Producer({"bootstrap.servers": environment.bootstrap, "acks": "all"})

    def order(self, order_id: str, minute: float) -> None:
        times = dict.fromkeys(("order_date", "created_at"), (BASE + timedelta(minutes=minute)).isoformat())
        self._send(ORDERS.topic, {"order_id": order_id, "customer_id": "c", "amount": 1, **times})

    def payment(self, payment_id: str, order_id: str, minute: float) -> None:
        times = dict.fromkeys(("payment_date", "created_at"), (BASE + timedelta(minutes=minute)).isoformat())
        self._send(PAYMENTS.topic, {"payment_id": payment_id, "order_id": order_id, "amount": 1, **times})

    def pass_time(self, minute: float) -> None:
        """Moves the watermark to five minutes before this one: by events on both topics that belong together."""
        self.order(f"clock-{minute}", minute)
        self.payment(f"clock-{minute}", f"clock-{minute}", minute)
        wanted = (BASE + timedelta(minutes=minute - 5)).isoformat().replace("+00:00", "Z")
        self.wait(lambda status: (status["job"]["watermark"] or "") >= wanted)

    def wait(self, condition: Any = lambda _status: True) -> None:
        assert self._producer.flush(30) == 0

        def done() -> bool:
            status = self.environment.status()
            return status["job"]["lag"] == 0 and bool(condition(status))

        self.environment.wait("the job", done, 60)

    def _send(self, topic: str, record: dict[str, Any]) -> None:
        self._producer.produce(topic, json.dumps(record).encode())


@pytest.fixture
def patient() -> Iterator[Environment]:
    """An environment whose quiet topics are left alone: what time it is, the test says."""
    environment = Environment(STATE / "patient", 29740, (("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "3600"),))
    with environment.started():
        yield environment


def ids(environment: Environment) -> dict[str, set[str]]:
    return {name: set(documents) for name, documents in environment.contents().items()}


def plant_notes(environment: Environment) -> int:
    """Leaves notes about documents that the job never writes, and lets MongoDB record what is asked of the notes.

    Returns:
        how many notes there were before: those that reconcile has left.
    """
    until = BASE + timedelta(days=1)
    with environment.database() as database:
        before: int = database[NOTES].count_documents({})
        database[NOTES].insert_many(
            {"_id": f"{UNMATCHED.name}/{name}", "collection": UNMATCHED.name, "document": name, "until": until}
            for name in (f"order|planted-{number}" for number in range(PLANTED))
        )
        # With a level of 2, MongoDB would record the queries of other collections, too.
        database.command("profile", 1, filter={"ns": f"{database.name}.{NOTES}"})
    return before


def notes_examined(environment: Environment) -> list[int]:
    """Returns how many documents each query of the notes has examined."""
    with environment.database() as database:
        database.command("profile", 0)
        return [each["docsExamined"] for each in database["system.profile"].find({"op": {"$in": ["query", "getmore"]}})]


def test_late_records_are_counted_and_reconciled(patient: Environment) -> None:
    nothing = json.loads(patient.tandem("reconcile", "--json").stdout)
    assert (nothing["inserted"], nothing["removed"]) == ({FACTS.name: 0}, {UNMATCHED.name: 0})
    sender = Sender(patient)
    sender.order("closed", 0)
    sender.order("open", 60)
    sender.payment("waits", "not-yet", 58)
    sender.pass_time(62)
    sender.wait(lambda _: "order|closed" in ids(patient)[UNMATCHED.name])
    before = patient.status()["job"]["late_total"]
    # Its order was written as unmatched; its order still waits; an order for a payment that still waits; no partner.
    sender.payment("late-1", "closed", 10)
    sender.payment("late-2", "open", 40)
    sender.order("not-yet", 50)
    sender.payment("late-3", "nobody", 20)
    sender.wait(lambda status: status["job"]["late_total"] == before + 4)
    late = {"closed|late-1", "open|late-2", "not-yet|waits"}
    assert not late & ids(patient)[FACTS.name]
    (warning,) = patient.status()["warnings"]
    assert warning.startswith(f"{before + 4} records were late, the last at ")
    assert "`tandem reconcile`" in warning
    assert json.loads(patient.tandem("verify", "--json").stdout)["ok"]

    report = json.loads(patient.tandem("reconcile", "--json").stdout)
    assert report["inserted"] == {FACTS.name: 3}
    assert report["removed"] == {UNMATCHED.name: 1}
    assert late <= ids(patient)[FACTS.name]
    assert "order|closed" not in ids(patient)[UNMATCHED.name]
    assert json.loads(patient.tandem("verify", "--json").stdout)["ok"]

    noted = plant_notes(patient)
    # What the job held when its partner was reconciled must not come as unmatched now.
    sender.pass_time(120)
    sender.order("alone", 121)
    sender.pass_time(180)
    sender.wait(lambda _: "order|alone" in ids(patient)[UNMATCHED.name])
    assert not {"order|open", "payment|waits"} & ids(patient)[UNMATCHED.name]
    assert json.loads(patient.tandem("verify", "--json").stdout)["ok"]

    examined = notes_examined(patient)
    assert examined
    # One of the 100,000 to know that there are some, and of the others those about what a batch wrote.
    assert max(examined) <= noted
    with patient.database() as database:
        patient.wait("the job to forget what has passed", lambda: database[NOTES].count_documents({}) == PLANTED)

    contents = patient.contents()
    again = json.loads(patient.tandem("reconcile", "--json").stdout)
    assert (again["inserted"], again["removed"]) == ({FACTS.name: 0}, {UNMATCHED.name: 0})
    assert patient.contents() == contents
    with patient.database() as database:
        assert database[NOTES].count_documents({}) == PLANTED
