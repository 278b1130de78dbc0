"""What the oracle of revenue by segment expects, worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from tandem.pipelines.segment_revenue.generator import customer_segments
from tandem.pipelines.segment_revenue.oracle import expect
from tandem.pipelines.segment_revenue.streams import CUSTOMER_SEGMENTS, REVENUE
from tandem.producer.record_plan import Plan
from tandem.testing import Expectation
from tests.stored import Stored

SECOND = 1_000_000
FAR_MS = 10**12


def sale(identity: str, second: float, amount: int = 1, customer: str = "c") -> dict[str, Any]:
    return {"sale_id": identity, "sold_at": int(second * SECOND), "customer_id": customer, "amount": amount}


def version(second: float, segment: str | None, customer: str = "c") -> dict[str, Any]:
    since = DatetimeMS(int(second * 1000))
    return {"_id": f"{customer}|{second}", "customer_id": customer, "segment": segment, "valid_from": since}


def minute(start: int, segment: str, sales: int, revenue: int) -> dict[str, Any]:
    return {
        "_id": f"{start}|{segment}",
        "window_start": DatetimeMS(start * 1000),
        "window_end": DatetimeMS((start + 60) * 1000),
        "segment": segment,
        "sales": sales,
        "revenue": Decimal128(Decimal(revenue)),
    }


def expected(
    sales: list[dict[str, Any]],
    *,
    versions: list[dict[str, Any]] | None = None,
    found: list[dict[str, Any]] | None = None,
    late: Iterable[str] = (),
    watermark_ms: int = FAR_MS,
) -> Expectation:
    return expect(
        {"sales": {each["sale_id"]: each for each in sales}},
        watermark_ms=watermark_ms,
        late={("sales", identity) for identity in late},
        observed=Stored(**{REVENUE.name: found or [], CUSTOMER_SEGMENTS.collection: versions or []}),
        window_seconds=60,
    )


def documents(found: Expectation) -> list[dict[str, Any]]:
    return sorted(found.documents[REVENUE.name].values(), key=lambda document: document["_id"])


def test_windows_begin_at_whole_minutes_also_before_1970() -> None:
    found = expected([sale("a", 0, 5), sale("b", 59.999999, 7), sale("c", 60, 11), sale("d", -0.000001, 13)])
    assert documents(found) == [
        minute(-60, "unknown", 1, 13),
        minute(0, "unknown", 2, 12),
        minute(60, "unknown", 1, 11),
    ]


def test_revenue_may_need_more_than_64_bits() -> None:
    largest = 2**63 - 1
    assert documents(expected([sale("a", 0, largest), sale("b", 1, largest)]))[0]["revenue"] == Decimal128(
        Decimal(2 * largest)
    )


def test_a_segment_is_that_of_the_time_of_the_sale() -> None:
    versions = [version(30, "new"), version(10, "old"), version(40, None), version(10, "other's", "x")]
    sales = [sale("before", 9.999), sale("at", 10), sale("old", 29.999), sale("new", 30), sale("none", 50)]
    assert documents(expected(sales, versions=versions)) == [
        minute(0, "new", 1, 1),
        minute(0, "old", 2, 2),
        minute(0, "unknown", 2, 2),
    ]


def test_a_segments_name_cannot_pass_for_another_documents() -> None:
    assert documents(expected([sale("a", 0)], versions=[version(0, "x|y\\z")]))[0]["_id"] == "0|x\\|y\\\\z"


def test_a_window_waits_until_the_watermark_has_reached_its_end() -> None:
    assert expected([sale("a", 0)], watermark_ms=59_998).outcome == {("sales", "a"): "waiting"}
    assert documents(expected([sale("a", 0)], watermark_ms=60_002)) == [minute(0, "unknown", 1, 1)]
    for watermark_ms in (59_999, 60_000, 60_001):
        assert documents(expected([sale("a", 0)], watermark_ms=watermark_ms)) == []
        found = expected([sale("a", 0)], watermark_ms=watermark_ms, found=[minute(0, "unknown", 1, 1)])
        assert documents(found) == [minute(0, "unknown", 1, 1)]


def test_late_sales_that_were_left_out_follow_from_number_and_revenue() -> None:
    sales = [sale("sure", 0, 100), sale("l1", 1, 1), sale("l2", 2, 2), sale("l3", 3, 4)]
    late = ("l1", "l2", "l3")
    for taken, revenue in (((), 100), (("l2",), 102), (("l1", "l3"), 105), (late, 107)):
        there = minute(0, "unknown", 1 + len(taken), revenue)
        found = expected(sales, late=late, found=[there])
        assert documents(found) == [there]
        assert {identity for (_, identity), what in found.outcome.items() if what == "counted"} == {"sure", *taken}


@pytest.mark.parametrize(
    "wrong", [minute(0, "unknown", 2, 200), minute(0, "unknown", 0, 0), minute(0, "unknown", 1, 1)]
)
def test_late_sales_excuse_no_other_sum(wrong: dict[str, Any]) -> None:
    sales = [sale("sure", 0, 100), sale("l1", 1, 1), sale("l2", 2, 2)]
    assert documents(expected(sales, late=("l1", "l2"), found=[wrong])) != [wrong]


def test_what_was_late_altogether_needs_no_document() -> None:
    found = expected([sale("l1", 0), sale("l2", 1)], late=("l1", "l2"))
    assert documents(found) == []
    assert set(found.outcome.values()) == {"late"}


def test_many_late_sales_are_judged_by_what_is_possible() -> None:
    sales = [sale(f"l{number}", 0, number) for number in range(200)]
    late = [each["sale_id"] for each in sales]
    total = sum(range(200))
    half = minute(0, "unknown", 100, total // 2)
    found = expected(sales, late=late, found=[half])
    assert list(found.outcome.values()).count("late") == 100
    assert documents(found) == [half]
    impossible = minute(0, "unknown", 100, total)
    assert documents(expected(sales, late=late, found=[impossible])) != [impossible]


def test_the_sample_of_segments_changes_no_past() -> None:
    plan = Plan(seed=1, count=10, start=Plan.settled_start())
    versions = list(customer_segments(plan))
    assert min(int(each["valid_from"].timestamp() * 1000) for each in versions) == plan.start_ms
    assert len({each["_id"] for each in versions}) == len(versions)
    assert versions == list(customer_segments(plan))
