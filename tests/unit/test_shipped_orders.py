"""What the oracle of shipped orders expects, and that the page's samples and the generator agree with it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from bson import json_util
from bson.decimal128 import Decimal128

from tandem.pipelines.shipped_orders.generator import events
from tandem.pipelines.shipped_orders.oracle import expect
from tandem.pipelines.shipped_orders.streams import ORDERS, SHIPMENTS, SHIPPED, STREAMS, UNSHIPPED
from tandem.producer.record_plan import Plan
from tandem.producer.sample import sample
from tandem.testing import Expectation
from tandem.verify.reference import Accepted, Dead, Validator
from tests import ROOT
from tests.readme import blocks_of

PAGE = ROOT / "docs" / "guides" / "shipped_orders.md"
RECEIVED_MS = 1_800_000_000_000
FAR_MS = 2_000_000_000_000


def read(stream: Any, record: dict[str, Any]) -> Accepted | Dead:
    answer = Validator(stream, max_clock_skew_seconds=300)(None, json.dumps(record).encode(), RECEIVED_MS)
    assert isinstance(answer, Accepted | Dead)
    return answer


def expected(order: dict[str, Any], shipment: dict[str, Any], *, watermark_ms: int = FAR_MS) -> Expectation:
    accepted = {}
    for stream, record in ((ORDERS, order), (SHIPMENTS, shipment)):
        answer = read(stream, record)
        assert isinstance(answer, Accepted)
        accepted[stream.name] = {record[str(stream.identity)]: answer.fields}
    observed: dict[str, set[str]] = {SHIPPED.name: set(), UNSHIPPED.name: set()}
    return expect(accepted, watermark_ms=watermark_ms, late=set(), observed=observed, ship_within_seconds=1800)


@pytest.fixture
def order() -> dict[str, Any]:
    return dict(json.loads(blocks_of(PAGE, "json")[0]))


@pytest.fixture
def shipment() -> dict[str, Any]:
    return dict(json.loads(blocks_of(PAGE, "json")[1]))


def as_documented(document: Any) -> Any:
    options = json_util.JSONOptions(datetime_representation=json_util.DatetimeRepresentation.ISO8601)
    return json.loads(json_util.dumps(document, json_options=options))


def test_the_documented_document_follows_from_the_documented_records(
    order: dict[str, Any], shipment: dict[str, Any]
) -> None:
    (found,) = expected(order, shipment).documents[SHIPPED.name].values()
    assert as_documented(found) == json.loads(blocks_of(PAGE, "json")[2])


def test_an_order_without_items_and_coupon_costs_nothing(order: dict[str, Any], shipment: dict[str, Any]) -> None:
    (found,) = expected({**order, "items": [], "coupon": None}, shipment).documents[SHIPPED.name].values()
    assert found["total"] == Decimal128("0.00")
    assert found["items"] == []
    assert "coupon" not in found


def test_a_shipment_after_the_window_leaves_both_unshipped(order: dict[str, Any], shipment: dict[str, Any]) -> None:
    late = {**shipment, "shipped_at": order["ordered_at"] + 1_800_001, "insured": True}
    found = expected(order, late).documents
    assert found[SHIPPED.name] == {}
    assert {name: each["kind"] for name, each in found[UNSHIPPED.name].items()} == {
        "order|A-1001": "order",
        "shipment|S-1": "shipment",
    }
    assert found[UNSHIPPED.name]["shipment|S-1"]["insured"] is True


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"price": 19.955}, "items[1].price"),
        ({"price": "dear"}, "items[1].price"),
        ({"count": 1.5}, "items[1].count"),
        ({"sku": None}, "items[1].sku"),
    ],
)
def test_a_wrong_item_is_named(order: dict[str, Any], change: dict[str, Any], detail: str) -> None:
    first, second = order["items"]
    answer = read(ORDERS, {**order, "items": [first, {**second, **change}]})
    assert isinstance(answer, Dead)
    assert answer.detail == detail


def test_generated_records_are_as_declared() -> None:
    plan = Plan(seed=3, count=3000, start=Plan.settled_start())
    # Without malformed records, so that a rejected one is the generator's fault.
    plan = replace(plan, mix=replace(plan.mix, malformed=0))
    for stream in STREAMS:
        validate = Validator(stream, max_clock_skew_seconds=300)
        found = [
            validate(each.key, each.value, int(plan.start.timestamp() * 1000) + plan.span_ms)
            for each in sample(plan, stream, events)
        ]
        assert {type(each) for each in found} == {Accepted}
        optional = "coupon" if stream is ORDERS else "insured"
        values = Counter(each.fields[optional] for each in found if isinstance(each, Accepted))
        assert len(values) == 2
