"""What the orders and payments pipeline's oracle expects."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS

from tandem.pipelines.orders_payments.oracle import expect
from tandem.pipelines.orders_payments.streams import FACTS, UNMATCHED
from tandem.testing import Expectation, IntervalJoin, Side, document_id

SECOND = 1_000_000
WINDOW_SECONDS = 1800
WINDOW = WINDOW_SECONDS * SECOND
FAR_MS = 10**12


def order(identity: str = "o", at: int = 0) -> dict[str, Any]:
    return {"order_id": identity, "order_date": at, "created_at": -1, "customer_id": "c", "amount": 7}


def payment(identity: str = "p", at: int = 0, of: str = "o") -> dict[str, Any]:
    return {"payment_id": identity, "order_id": of, "payment_date": at, "created_at": 1999, "amount": 9}


def expected(
    orders: list[dict[str, Any]],
    payments: list[dict[str, Any]],
    *,
    watermark_ms: int = FAR_MS,
    late: set[tuple[str, str]] | None = None,
    facts: set[str] | None = None,
    unmatched: set[str] | None = None,
) -> Expectation:
    return expect(
        {"orders": {o["order_id"]: o for o in orders}, "payments": {p["payment_id"]: p for p in payments}},
        watermark_ms=watermark_ms,
        late=late or set(),
        observed={FACTS.name: facts or set(), UNMATCHED.name: unmatched or set()},
        match_window_seconds=WINDOW_SECONDS,
    )


def test_fact_has_the_contracts_fields_and_dates_rounded_down() -> None:
    found = expected([order()], [payment()])
    assert found.documents == {
        FACTS.name: {
            "o|p": {
                "_id": "o|p",
                "order_id": "o",
                "order_date": DatetimeMS(0),
                "created_at": DatetimeMS(-1),
                "customer_id": "c",
                "order_amount": 7,
                "payment_id": "p",
                "payment_date": DatetimeMS(0),
                "payment_amount": 9,
            }
        },
        UNMATCHED.name: {},
    }
    assert set(found.outcome.values()) == {"matched"}


def test_ids_are_escaped_so_that_no_two_pairs_share_one() -> None:
    pairs = [("a|", "b"), ("a", "|b"), ("a\\", "|b"), ("a\\|", "b")]
    ids = {next(iter(expected([order(o)], [payment(p, of=o)]).documents[FACTS.name])) for o, p in pairs}
    assert ids == {"a\\||b", "a|\\|b", "a\\\\|\\|b", "a\\\\\\||b"}


def test_window_is_inclusive_both_ways_to_the_microsecond() -> None:
    payments = [payment("a", WINDOW), payment("b", -WINDOW), payment("c", WINDOW + 1), payment("d", -WINDOW - 1)]
    found = expected([order()], payments)
    assert found.documents[FACTS.name].keys() == {"o|a", "o|b"}
    assert found.documents[UNMATCHED.name].keys() == {"payment|c", "payment|d"}


def test_unmatched_documents_hold_their_own_events_fields_only() -> None:
    found = expected([order()], [payment(of="other")])
    assert found.documents[UNMATCHED.name] == {
        "order|o": {
            "_id": "order|o",
            "kind": "order",
            "order_id": "o",
            "order_date": DatetimeMS(0),
            "created_at": DatetimeMS(-1),
            "customer_id": "c",
            "amount": 7,
        },
        "payment|p": {
            "_id": "payment|p",
            "kind": "payment",
            "payment_id": "p",
            "order_id": "other",
            "payment_date": DatetimeMS(0),
            "created_at": DatetimeMS(1),
            "amount": 9,
        },
    }


def test_unmatched_only_once_no_match_can_come() -> None:
    ends_ms = WINDOW // 1000
    assert expected([order()], [], watermark_ms=ends_ms - 2, unmatched={"order|o"}).outcome == {
        ("orders", "o"): "waiting"
    }
    assert expected([order()], [], watermark_ms=ends_ms + 2).outcome == {("orders", "o"): "unmatched"}
    for at_the_boundary in (ends_ms - 1, ends_ms, ends_ms + 1):
        assert expected([order()], [], watermark_ms=at_the_boundary).documents[UNMATCHED.name] == {}
        found = expected([order()], [], watermark_ms=at_the_boundary, unmatched={"order|o"})
        assert found.documents[UNMATCHED.name].keys() == {"order|o"}


def test_late_event_without_a_trace_is_as_if_never_sent() -> None:
    found = expected([order()], [payment()], late={("payments", "p")}, unmatched={"order|o"})
    assert found.documents[FACTS.name] == {}
    assert found.documents[UNMATCHED.name].keys() == {"order|o"}
    assert found.outcome == {("orders", "o"): "unmatched", ("payments", "p"): "late"}


def test_late_event_with_one_fact_must_have_them_all() -> None:
    payments = [payment("a"), payment("b")]
    found = expected([order()], payments, late={("orders", "o")}, facts={"o|a"})
    assert found.documents[FACTS.name].keys() == {"o|a", "o|b"}


def test_late_event_with_its_unmatched_document_was_processed() -> None:
    found = expected([order()], [], late={("orders", "o")}, unmatched={"order|o"})
    assert found.outcome == {("orders", "o"): "unmatched"}


def test_each_late_event_is_judged_for_itself() -> None:
    late = {("orders", "o"), ("payments", "a"), ("payments", "b")}
    found = expected([order()], [payment("a"), payment("b")], late=late, facts={"o|a"})
    assert found.documents[FACTS.name].keys() == {"o|a"}
    assert found.outcome["payments", "b"] == "late"


def test_late_event_that_can_only_wait_is_waiting() -> None:
    found = expected([order()], [], late={("orders", "o")}, watermark_ms=0)
    assert found.outcome == {("orders", "o"): "waiting"}


LINES = IntervalJoin(
    left=Side("orders", "order", "event_time", lambda order: {"total": order["total"]}),
    right=Side("lines", "line", "at", lambda line: {"n": line["n"]}),
    refers=("order.shop", "order.number"),
    matches="matches",
    leftovers="leftovers",
    document=lambda order, line: {"total": order["total"], "n": line["n"]},
    within="seconds",
)


def test_events_may_refer_to_an_identity_of_several_nested_fields() -> None:
    accepted = {
        "orders": {"a\\|b|5": {"identity": "a\\|b|5", "event_time": 0, "total": 1}},
        "lines": {
            "1": {"n": 1, "at": 0, "order": {"shop": "a|b", "number": 5}},
            "2": {"n": 2, "at": 0, "order": {"shop": "a|b", "number": 6}},
            "3": {"n": 3, "at": 0, "order": {"shop": "a|b", "number": None}},
            "4": {"n": 4, "at": 0, "order": None},
        },
    }
    observed: dict[str, set[str]] = {"matches": set(), "leftovers": set()}
    found = LINES.expect(accepted, watermark_ms=FAR_MS, late=set(), observed=observed, seconds=10)
    assert set(found.documents["matches"]) == {"a\\\\\\|b\\|5|1"}
    assert set(found.documents["leftovers"]) == {"line|2", "line|3", "line|4"}


@pytest.mark.parametrize("refers", ["order", ("order",)])
def test_one_field_that_refers_is_the_identity_as_it_is(refers: Any) -> None:
    accepted = {
        "orders": {"a|b": {"identity": "a|b", "event_time": 0, "total": 1}},
        "lines": {"1": {"n": 1, "at": 0, "order": "a|b"}, "2": {"n": 2, "at": 0, "order": None}},
    }
    observed: dict[str, set[str]] = {"matches": set(), "leftovers": set()}
    join = replace(LINES, refers=refers)
    found = join.expect(accepted, watermark_ms=FAR_MS, late=set(), observed=observed, seconds=10)
    assert (set(found.documents["matches"]), set(found.documents["leftovers"])) == ({"a\\|b|1"}, {"line|2"})


@pytest.mark.parametrize(
    ("parts", "identity"),
    [
        (("a",), "a"),
        (("a|b", "c\\d"), "a\\|b|c\\\\d"),
        ((5, -1, True, False), "5|-1|true|false"),
        ((Decimal("1.50"), Decimal("0E-7"), date(1, 1, 1)), "1.50|0.0000000|0001-01-01"),
    ],
)
def test_each_type_has_one_text_in_an_id(parts: tuple[Any, ...], identity: str) -> None:
    assert document_id(*parts) == identity
