"""Orders with items and their shipments, on real programs: another client's records become the expected documents."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from confluent_kafka import Producer

from tandem.pipelines.shipped_orders.streams import ORDERS, SHIPMENTS, SHIPPED, UNSHIPPED
from tests import STATE
from tests.environment import Environment

ORDERED = datetime(2026, 1, 1, 10, 0, 0, 123_000, tzinfo=UTC)
ORDERED_MS = int(ORDERED.timestamp() * 1000)


@pytest.fixture
def running() -> Iterator[Environment]:
    extra = (("TANDEM_PIPELINE", "shipped_orders"), ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "3600"))
    environment = Environment(STATE / "shipped", 29760, extra)
    with environment.started():
        yield environment


def send(environment: Environment) -> None:
    # Written as texts, so that no encoder of ours decides what a number looks like.
    items = '[{"sku": "K-1", "price": 19.95, "count": 2}, {"sku": "é", "price": "20.00", "count": 1, "color": "red"}]'
    orders = [
        f'{{"order_id": "A|1", "ordered_at": {ORDERED_MS}, "items": {items}, "coupon": "WELCOME"}}',
        f'{{"order_id": "A2", "ordered_at": {ORDERED_MS}, "items": [], "coupon": null}}',
        f'{{"order_id": "A3", "ordered_at": {ORDERED_MS}, "items": [{{"sku": "K", "price": 7, "count": 1}}]}}',
        # Its price has three digits after the point.
        f'{{"order_id": "A4", "ordered_at": {ORDERED_MS}, "items": [{{"sku": "K", "price": 7.001, "count": 1}}]}}',
    ]
    shipments = [
        f'{{"shipment_id": "S1", "order_id": "A|1", "shipped_at": {ORDERED_MS + 1500}, "carrier": "post"}}',
        f'{{"shipment_id": "S2", "order_id": "A2", "shipped_at": {ORDERED_MS - 1}, "carrier": "courier", '
        '"insured": true}',
    ]
    producer = Producer({"bootstrap.servers": environment.bootstrap})
    for topic, values in ((ORDERS.topic, orders), (SHIPMENTS.topic, shipments)):
        for value in values:
            producer.produce(topic, value.encode())
    assert producer.flush(30) == 0


def documents(environment: Environment, collection: str) -> dict[str, dict[str, Any]]:
    with environment.database() as database:
        return {each.pop("_id"): each for each in database[collection].find() if not _is_generated(each)}


def _is_generated(document: dict[str, Any]) -> bool:
    return document["order_id"].startswith("order-")


def page(environment: Environment) -> dict[str, Any]:
    """Returns what the dashboard's page receives."""
    with urllib.request.urlopen(f"http://127.0.0.1:{environment.first_port + 5}/api/now", timeout=5) as answer:
        return dict(json.load(answer))


def test_another_programs_records_become_the_expected_documents(running: Environment) -> None:
    send(running)
    running.wait("two shipped orders", lambda: len(documents(running, SHIPPED.name)) == 2)
    # Generated records follow, and then all windows are closed.
    running.tandem("produce", "--count", "500", "--close")
    report = json.loads(running.tandem("verify", "--json").stdout)
    assert report["ok"]
    assert report["total"]["waiting"] == 0
    assert min(report["total"][name] for name in ("matched", "unmatched", "repeated", "dead")) > 0
    ordered = ORDERED.replace(tzinfo=None)
    first, second = documents(running, SHIPPED.name)[r"A\|1|S1"], documents(running, SHIPPED.name)["A2|S2"]
    assert first == {
        "order_id": "A|1",
        "ordered_at": ordered,
        "items": [
            {"sku": "K-1", "price": Decimal128("19.95"), "count": 2},
            {"sku": "é", "price": Decimal128("20.00"), "count": 1},
        ],
        "coupon": "WELCOME",
        "total": Decimal128("59.90"),
        "shipment_id": "S1",
        "shipped_at": ordered + timedelta(milliseconds=1500),
        "carrier": "post",
        "insured": False,
    }
    assert second == {
        "order_id": "A2",
        "ordered_at": ordered,
        "items": [],
        "total": Decimal128("0.00"),
        "shipment_id": "S2",
        "shipped_at": ordered - timedelta(milliseconds=1),
        "carrier": "courier",
        "insured": True,
    }
    # 1 == True in Python, but not in MongoDB.
    assert [type(each["insured"]) for each in (first, second)] == [bool, bool]
    assert documents(running, UNSHIPPED.name) == {
        "order|A3": {
            "kind": "order",
            "order_id": "A3",
            "ordered_at": ordered,
            "items": [{"sku": "K", "price": Decimal128("7.00"), "count": 1}],
        }
    }
    counted = {"orders": report["streams"]["orders"]["matched"], "shipments": report["streams"]["shipments"]["matched"]}

    def shown() -> bool:
        account = page(running)["account"]
        return bool(account) and {name: each["matched"] for name, each in account["streams"].items()} == counted

    running.wait("the dashboard", shown)
