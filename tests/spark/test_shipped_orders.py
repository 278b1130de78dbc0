"""Shipped orders: the transform's documents against the oracle's, of the same records."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.read.parse import ASIDE, parse
from tandem.pipeline import Stream
from tandem.pipelines.shipped_orders.oracle import expect
from tandem.pipelines.shipped_orders.streams import ORDERS, SHIPMENTS, SHIPPED, UNSHIPPED
from tandem.pipelines.shipped_orders.transform import no_longer_unshipped, shipped, transform, unshipped
from tandem.verify.intake import Intake
from tandem.verify.topics import TopicRecord
from tests.spark.records import ARRIVED, kafka_rows

ARRIVED_MS = int(ARRIVED.timestamp() * 1000)
T0_MS = ARRIVED_MS - 6 * 3600_000
WITHIN_S = 1800


def order(order_id: str, *items: tuple[Any, int], minute: float = 0, **more: Any) -> bytes:
    found = [{"sku": f"sku-{number}", "price": price, "count": count} for number, (price, count) in enumerate(items)]
    times = {"ordered_at": T0_MS + int(minute * 60_000)}
    return json.dumps({"order_id": order_id, "items": found, **times, **more}).encode()


def shipment(shipment_id: str, order_id: str, minute: float, **more: Any) -> bytes:
    times = {"shipped_at": T0_MS + int(minute * 60_000)}
    return json.dumps({"shipment_id": shipment_id, "order_id": order_id, "carrier": "post", **times, **more}).encode()


RECORDS: dict[str, list[bytes]] = {
    ORDERS.name: [
        order("a|b", (19.95, 2), ("20.00", 1), coupon="X"),
        order("empty", coupon=None),
        order("large", ("9999999999.99", 2**31 - 1), (-0.01, 1)),
        order("twice", (1, 1)),
        order("alone", (0.5, 3)),
        order("edge", minute=5),
        order("dead", (19.955, 1)),
    ],
    SHIPMENTS.name: [
        shipment("s1", "a|b", 1.5),
        shipment("s2", "empty", -1, insured=True),
        shipment("s3", "large", 2, carrier="courier", insured=None),
        shipment("s4", "twice", 3),
        shipment("s5", "twice", 4),
        shipment("in", "edge", 35),
        shipment("out", "edge", 35.001),
        shipment("dead", "a|b", 1, carrier="pigeon"),
    ],
}


def events(spark: SparkSession, stream: Stream) -> DataFrame:
    rows = parse(kafka_rows(spark, stream.topic, RECORDS[stream.name]), stream, max_clock_skew_seconds=300)
    return rows.where(F.col(ASIDE).isNull()).drop(ASIDE)


@pytest.fixture(scope="module")
def joined(spark: SparkSession) -> DataFrame:
    return transform(events(spark, ORDERS), events(spark, SHIPMENTS), ship_within_seconds=WITHIN_S)


def as_stored(documents: DataFrame) -> dict[str, Any]:
    """Returns documents by ``_id`` as MongoDB stores them: without what is null."""
    times = {name: F.unix_millis(name).alias(name) for name in ("ordered_at", "shipped_at")}
    rows = documents.select(*(times.get(name, F.col(name)) for name in documents.columns)).collect()
    return {row["_id"]: _plain(row.asDict(recursive=True), times) for row in rows}


def _plain(value: Any, times: Any = ()) -> Any:
    if isinstance(value, dict):
        return {
            name: DatetimeMS(each) if name in times else _plain(each)
            for name, each in value.items()
            if each is not None
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return Decimal128(value) if isinstance(value, Decimal) else value


def expected() -> dict[str, Any]:
    accepted = {}
    for stream in (ORDERS, SHIPMENTS):
        intake = Intake(stream, max_clock_skew_seconds=300, sender=None)
        intake.take(
            TopicRecord(0, offset, ARRIVED_MS, None, value, []) for offset, value in enumerate(RECORDS[stream.name])
        )
        assert len(intake.dead) == 1
        accepted[stream.name] = intake.accepted
    observed: dict[str, set[str]] = {SHIPPED.name: set(), UNSHIPPED.name: set()}
    found = expect(accepted, watermark_ms=10**14, late=set(), observed=observed, ship_within_seconds=WITHIN_S)
    return {name: dict(each) for name, each in found.documents.items()}


def test_the_documents_are_those_of_the_oracle(joined: DataFrame) -> None:
    found = {SHIPPED.name: as_stored(shipped(joined)), UNSHIPPED.name: as_stored(unshipped(joined))}
    assert found == expected()
    assert {name: str(each["total"]) for name, each in found[SHIPPED.name].items()} == {
        "a\\|b|s1": "59.90",
        "empty|s2": "0.00",
        "large|s3": "21474836469978525163.52",
        "twice|s4": "1.00",
        "twice|s5": "1.00",
        "edge|in": "0.00",
    }
    assert set(found[UNSHIPPED.name]) == {"order|alone", "shipment|out"}


def test_a_shipped_order_replaces_what_was_unshipped(joined: DataFrame) -> None:
    one = shipped(joined).where("shipment_id = 's1'")
    ordered = (ARRIVED - timedelta(hours=6)).replace(tzinfo=None)
    found = {row["_id"]: row["until"] for row in no_longer_unshipped(one, ship_within_seconds=WITHIN_S).collect()}
    assert {name: until - ordered for name, until in found.items()} == {
        "order|a|b": timedelta(minutes=30),
        "shipment|s1": timedelta(minutes=31.5),
    }
