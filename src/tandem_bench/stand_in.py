"""Writes the data of producers and job at any rate, without Spark.

This measures the dashboard.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Self

from confluent_kafka import Message, Producer
from pymongo import MongoClient

from tandem.engine.declare.stream import JOB_COLLECTION, PROGRESS_COLLECTION
from tandem.errors import TandemError
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.settings.connections import mongo_client
from tandem.settings.model import Settings
from tandem_bench.bulk_load import PRODUCER

# About the job's interval between batches under such a load.
_BATCH_S = 1.0
# One of so many orders finds no payment, and one is rejected.
_ONE_IN = 100
_AGE = timedelta(seconds=1)
_PHASES = {
    "latestOffset": 6,
    "queryPlanning": 150,
    "walCommit": 30,
    "getBatch": 1,
    "addBatch": 600,
    "commitOffsets": 25,
    "triggerExecution": 812,
}


class StandIn:
    """Sends orders and payments, and writes the job's data about them.

    The data are documents, dead letters and reports.

    Args:
        settings: the pipeline's settings.
        rate: facts a second.
    """

    def __init__(self, settings: Settings, rate: float) -> None:
        self.facts = 0
        self._settings, self._rate = settings, rate
        self._client: MongoClient[dict[str, Any]] = MongoClient(**mongo_client(settings.mongo))
        self._database = self._client[settings.mongo.database]
        self._producer = Producer({**PRODUCER, "linger.ms": 5, "bootstrap.servers": settings.kafka.bootstrap})
        self._committed: dict[str, Counter[str]] = {ORDERS.topic: Counter(), PAYMENTS.topic: Counter()}
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def check(self) -> None:
        """Raises if it could not write.

        Raises:
            TandemError: the message names the reason.
        """
        if self._error:
            raise TandemError(f"the stand-in could not write: {self._error}", hint="see the services' logs")

    def _run(self) -> None:
        try:
            began, made = time.monotonic(), 0
            for batch in count():
                if self._stop.wait(max(0.0, began + (batch + 1) * _BATCH_S - time.monotonic())):
                    return
                due = int((time.monotonic() - began) * self._rate)
                self._batch(batch, range(made, due))
                made = due
        except Exception as error:
            self._error = error

    def _batch(self, number: int, orders: range) -> None:
        now = datetime.now(UTC)
        dated, date = now - _AGE, (now - _AGE).isoformat()
        facts, alone = [], []
        for order in orders:
            order_id, payment_id, amount = f"o-{order:09}", f"p-{order:09}", order % 50_000
            self._send(ORDERS.topic, order_id, f'{{"order_id":"{order_id}","order_date":"{date}","amount":{amount}}}')
            if order % _ONE_IN == 0:
                alone.append(_unmatched(order_id, dated, amount))
            elif order % _ONE_IN == 1:
                alone.append(_unmatched(order_id, dated, amount))
                self._send(PAYMENTS.topic, order_id, '{"payment_id":7}')
                headers: Mapping[str, str | bytes | None] = {"source_topic": PAYMENTS.topic, "error": "wrong_type"}
                self._producer.produce(DEAD_LETTER_TOPIC, b'{"payment_id":7}', headers=dict(headers))
            else:
                self._send(PAYMENTS.topic, order_id, f'{{"payment_id":"{payment_id}","payment_date":"{date}"}}')
                facts.append(_fact(order_id, payment_id, dated, amount))
        self._producer.flush()
        if facts:
            self._database[FACTS.name].insert_many(facts, ordered=False)
        if alone:
            self._database[UNMATCHED.name].insert_many(alone, ordered=False)
        report = self._report(number, len(orders), dated)
        self._database[JOB_COLLECTION].replace_one({"_id": report["pipeline"]}, report, upsert=True)
        self._database[PROGRESS_COLLECTION].insert_one(report)
        self.facts += len(facts)

    def _send(self, topic: str, key: str, value: str) -> None:
        self._producer.produce(topic, value.encode(), key=key.encode(), on_delivery=self._sent)
        self._producer.poll(0)

    def _sent(self, error: Any, message: Message) -> None:
        if error is None:
            self._committed[str(message.topic())][str(message.partition())] += 1

    def _report(self, number: int, orders: int, watermark: datetime) -> dict[str, Any]:
        committed = {topic: dict(offsets) for topic, offsets in self._committed.items()}
        return {
            "pipeline": self._settings.pipeline,
            "event": "batch",
            "at": datetime.now(UTC),
            "batch": number,
            "input_rows": 2 * orders,
            "input_rows_total": sum(sum(offsets.values()) for offsets in committed.values()),
            "late_total": 0,
            "watermark": watermark,
            "committed": committed,
            "durations_ms": _PHASES,
            "state_events": 0,
            "state_bytes": 0,
            "streams": {},
            "error": None,
        }


def _fact(order_id: str, payment_id: str, dated: datetime, amount: int) -> dict[str, Any]:
    return {
        "_id": f"{order_id}|{payment_id}",
        "order_id": order_id,
        "order_date": dated,
        "created_at": dated,
        "customer_id": f"c-{amount % 997}",
        "order_amount": amount,
        "payment_id": payment_id,
        "payment_date": dated,
        "payment_amount": amount,
    }


def _unmatched(order_id: str, dated: datetime, amount: int) -> dict[str, Any]:
    return {
        "_id": f"order|{order_id}",
        "kind": "order",
        "order_id": order_id,
        "order_date": dated,
        "customer_id": f"c-{amount % 997}",
        "created_at": dated,
        "amount": amount,
    }
