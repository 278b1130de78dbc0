"""In which order `verify` waits for the job and reads topics, without Kafka and MongoDB."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

import pytest

from tandem.catalog import declared_by
from tandem.engine.declare.wire_format import prefix_of
from tandem.pipeline import JsonSchema
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, ORDERS, PAYMENTS
from tandem.settings.load import load
from tandem.verify.report import Kind
from tandem.verify.topics import Offsets, TopicRecord
from tandem.verify.totals import Dropped
from tandem.verify.verify import verify

ARRIVED_MS = 1_700_000_000_000
EARLY, RECENT = "2023-11-14T10:00:00Z", "2023-11-14T22:00:00Z"
TIMES = (EARLY, EARLY, RECENT)
# The time of the early order less the lateness.
EARLY_WATERMARK_MS = 1_699_956_000_000 - 300_000


class Topics(dict[str, list[TopicRecord]]):
    """The records of topics with one partition, of which the first ones may have been removed."""

    removed = 0

    def reader(self, _: object, topic: str) -> Reader:
        return Reader(topic, self[topic], self.removed if topic == ORDERS.topic else 0)


class Reader:
    def __init__(self, topic: str, records: list[TopicRecord], removed: int) -> None:
        self.topic, self._records, self._removed = topic, records, removed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes nothing."""

    def beginnings(self) -> Offsets:
        return {0: self._removed}

    def ends(self) -> Offsets:
        return {0: len(self._records)}

    def read(self, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[TopicRecord]:
        yield from self._records[start[0] : end[0]]


class Database(dict[str, Any]):
    """A MongoDB without documents."""

    def __init__(self, **_: object) -> None:
        super().__init__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes nothing."""

    def get_database(self, *_: object, **__: object) -> Self:
        return self

    def __missing__(self, collection: str) -> Self:
        return self

    def estimated_document_count(self) -> int:
        return 0

    def find(self, *_: object, **__: object) -> list[dict[str, Any]]:
        return []


def unprefixed(offset: int, at: str) -> bytes:
    fields = {"order_id": f"o{offset}", "order_date": at, "created_at": at, "customer_id": "c", "amount": 7}
    return json.dumps(fields).encode()


def order(offset: int, at: str) -> TopicRecord:
    return TopicRecord(0, offset, ARRIVED_MS + offset, None, prefix_of(1) + unprefixed(offset, at), [])


def letter(record: TopicRecord) -> TopicRecord:
    headers = {
        "source_topic": ORDERS.topic,
        "source_partition": "0",
        "source_offset": str(record.offset),
        "source_timestamp": str(record.timestamp),
        "error": "unknown_schema",
        "detail": "schema id 1",
    }
    encoded: list[tuple[str, bytes | None]] = [(name, text.encode()) for name, text in headers.items()]
    return record._replace(offset=0, key=f"{ORDERS.topic}-0-{record.offset}".encode(), headers=encoded)


@pytest.mark.parametrize("removed", [0, 1])
def test_verify_finds_out_which_records_were_removed(monkeypatch: pytest.MonkeyPatch, removed: int) -> None:
    """An unmatched order without a document is lost, unless its payment may have been removed."""
    sent = [TopicRecord(0, n, ARRIVED_MS + 10_000 * n, None, unprefixed(n, at), []) for n, at in enumerate(TIMES)]
    payment = {"payment_id": "p", "order_id": "o9", "payment_date": RECENT, "created_at": RECENT, "amount": 7}
    paid = TopicRecord(0, 0, ARRIVED_MS + 30_000, None, json.dumps(payment).encode(), [])
    topics = Topics({ORDERS.topic: sent, PAYMENTS.topic: [paid], DEAD_LETTER_TOPIC: []})
    topics.removed = removed
    monkeypatch.setattr("tandem.verify.verify.TopicReader", topics.reader)
    monkeypatch.setattr("tandem.verify.mongo_documents.MongoClient", Database)
    monkeypatch.setattr("tandem.verify.verify.check_uncompacted", lambda *_: None)
    monkeypatch.setattr("tandem.verify.verify.await_settled", lambda *_, **__: Dropped(0))
    report = verify(load("embedded"), settle_deadline_s=0)
    assert [(each.kind, each.count) for each in report.problems] == ([] if removed else [(Kind.LOST, 2)])


def test_verify_waits_for_no_watermark_of_records_whose_schema_was_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load("embedded")
    payment = {"payment_id": "p", "order_id": "o9", "payment_date": RECENT, "created_at": RECENT, "amount": 7}
    topics = Topics(
        {
            ORDERS.topic: [order(0, EARLY), order(1, RECENT)],
            PAYMENTS.topic: [TopicRecord(0, 0, ARRIVED_MS, None, json.dumps(payment).encode(), [])],
            DEAD_LETTER_TOPIC: [],
        }
    )
    waits: list[int] = []

    def await_settled(_: object, __: str, ___: object, watermark_ms: int, **____: object) -> Dropped:
        if not waits:
            # The job rejects the newest order when it commits it.
            topics[DEAD_LETTER_TOPIC].append(letter(topics[ORDERS.topic][1]))
        waits.append(watermark_ms)
        return Dropped(0)

    with_schemas = replace(ORDERS, format=JsonSchema("orders-value", (1,)))
    declared = replace(declared_by(settings.location), streams=(with_schemas, PAYMENTS))
    monkeypatch.setattr("tandem.verify.verify.declared_by", lambda _: declared)
    monkeypatch.setattr("tandem.verify.verify.TopicReader", topics.reader)
    monkeypatch.setattr("tandem.verify.mongo_documents.MongoClient", Database)
    monkeypatch.setattr("tandem.verify.verify.check_uncompacted", lambda *_: None)
    monkeypatch.setattr("tandem.verify.verify.await_settled", await_settled)
    report = verify(settings, settle_deadline_s=0)
    assert report.ok, report.problems
    assert waits == [0, EARLY_WATERMARK_MS]
