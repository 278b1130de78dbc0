"""The join as a plain Python program: confluent-kafka, two dictionaries, pymongo.

It keeps no state.

Prints one JSON object: the records that it read and the seconds from the first poll to the last acknowledged insert.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime, timedelta
from typing import Any

import orjson
from confluent_kafka import Consumer, TopicPartition
from pymongo import MongoClient, WriteConcern

_WINDOW = timedelta(minutes=30)
_POLL, _BULK = 10_000, 10_000
_Document = dict[str, Any]


class Join:
    """Matches orders and payments as they come."""

    def __init__(self) -> None:
        self._orders: dict[str, _Document] = {}
        self._payments: dict[str, dict[str, _Document]] = {}
        self.facts: list[_Document] = []

    def order(self, value: bytes) -> None:
        """Takes an order."""
        order = _read(value)
        order["order_date"] = datetime.fromisoformat(order["order_date"])
        order["created_at"] = datetime.fromisoformat(order["created_at"])
        order_id = order["order_id"]
        if order_id not in self._orders:
            self._orders[order_id] = order
            for payment in self._payments.get(order_id, {}).values():
                self._match(order, payment)

    def payment(self, value: bytes) -> None:
        """Takes a payment."""
        payment = _read(value)
        payment["payment_date"] = datetime.fromisoformat(payment["payment_date"])
        known = self._payments.setdefault(payment["order_id"], {})
        if payment["payment_id"] not in known:
            known[payment["payment_id"]] = payment
            order = self._orders.get(payment["order_id"])
            if order is not None:
                self._match(order, payment)

    def _match(self, order: _Document, payment: _Document) -> None:
        if abs(payment["payment_date"] - order["order_date"]) <= _WINDOW:
            self.facts.append(
                {
                    "_id": f"{order['order_id']}|{payment['payment_id']}",
                    "order_id": order["order_id"],
                    "order_date": order["order_date"],
                    "created_at": order["created_at"],
                    "customer_id": order["customer_id"],
                    "order_amount": order["amount"],
                    "payment_id": payment["payment_id"],
                    "payment_date": payment["payment_date"],
                    "payment_amount": payment["amount"],
                }
            )


def _read(value: bytes) -> _Document:
    record: _Document = orjson.loads(value)
    # It would stop the program: MongoDB's integers have 64 bits.
    if not -(2**63) <= record["amount"] < 2**63:
        raise ValueError("the amount is too large")
    return record


def main() -> None:
    """Runs the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    for name in ("--bootstrap", "--orders", "--payments", "--ends", "--mongo", "--database", "--collection"):
        arguments.add_argument(name, required=True)
    options = arguments.parse_args()
    ends: dict[Any, int] = {
        (topic, int(number)): end for topic, parts in json.loads(options.ends).items() for number, end in parts.items()
    }
    consumer = Consumer({"bootstrap.servers": options.bootstrap, "group.id": "bench", "enable.auto.commit": False})
    client: MongoClient[_Document] = MongoClient(options.mongo, tz_aware=True)
    facts = client[options.database].get_collection(
        options.collection, write_concern=WriteConcern(w="majority", j=True)
    )
    client.admin.command("ping")
    consumer.assign([TopicPartition(topic, number, 0) for (topic, number), end in ends.items() if end])
    join, read, refused, left = Join(), 0, 0, sum(ends.values())
    began = time.perf_counter()
    while left:
        for message in consumer.consume(_POLL, timeout=1.0):
            topic, value = message.topic(), message.value()
            if (message.offset() or 0) >= ends[topic, message.partition()]:
                continue
            left -= 1
            read += 1
            try:
                (join.order if topic == options.orders else join.payment)(value or b"")
            except (ValueError, KeyError, TypeError, AttributeError):
                refused += 1
        while len(join.facts) >= _BULK:
            facts.insert_many(join.facts[:_BULK], ordered=False)
            del join.facts[:_BULK]
    if join.facts:
        facts.insert_many(join.facts, ordered=False)
    seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"records": read, "refused": refused, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
