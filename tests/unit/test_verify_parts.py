"""What holds parts together: the watermark, linked keys, copies, and which oracles are divided."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.catalog import find
from tandem.engine.declare.control_record import CONTROL_KEY, control_value
from tandem.errors import TandemError
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.testing import IntervalJoin, Side, document_id
from tandem.verify.oracle import Division, Expectation, division_of, load_oracle
from tandem.verify.parallel.comparing import compare_part
from tandem.verify.parallel.grouping import representatives
from tandem.verify.parallel.spill import Spill, part_of, rows_of
from tandem.verify.parallel.steps import Watermarks, merge_steps, write_steps
from tandem.verify.parallel.work import Rows
from tandem.verify.report import Report
from tandem.verify.topics import TopicRecord
from tandem.verify.watermark import Arrival, read_by, sweep
from tests.parts import SENDER, InMemory, Stored, report_in_parts

ORDERS_PAYMENTS = find("orders_payments", Path("pipelines"))
SEGMENT_REVENUE = find("segment_revenue", Path("pipelines"))
PARTS = 4
AT, AT_MS = "2023-11-14T10:00:00Z", DatetimeMS(1_699_956_000_000)
ARRIVALS = st.builds(
    Arrival,
    st.one_of(st.none(), st.integers(0, 6)),
    st.sampled_from(["left", "right"]),
    st.integers(-2_000_000, 2_000_000).map(lambda number: number * 300),
    st.one_of(st.none(), st.sampled_from("abcdefgh")),
)


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(st.lists(ARRIVALS, max_size=6), max_size=4))
def test_steps_have_the_watermark_that_sweep_has(tmp_path_factory: pytest.TempPathFactory, chunks: Any) -> None:
    folder = tmp_path_factory.mktemp("steps")
    streams = ("left", "right")
    for number, chunk in enumerate(chunks):
        for stream in streams:
            own = [arrival for arrival in chunk if arrival.stream == stream]
            write_steps(folder / "steps" / stream / str(number), own)
    arrivals = [arrival for chunk in chunks for arrival in chunk]
    final = merge_steps(folder / "steps", streams, folder / "merged", lateness_seconds=300)
    watermarks = Watermarks(folder / "merged")
    assert final == watermarks.at(None) == sweep(arrivals, streams, lateness_seconds=300).ms
    for at in range(8):
        # An event whose arrival is unknown may have been the first one.
        before = [arrival for arrival in arrivals if arrival.at is None or arrival.at <= at]
        assert watermarks.at(at) == sweep(before, streams, lateness_seconds=300).ms


def test_a_part_is_read_in_the_order_of_the_writers(tmp_path: Path) -> None:
    with Spill(tmp_path, "b") as second, Spill(tmp_path, "a") as first:
        second.add(1, "later")
        for number in range(30_000):
            first.add(number % 2, number)
    assert list(rows_of(tmp_path, 1)) == [*range(1, 30_000, 2), "later"]
    assert list(rows_of(tmp_path, 7)) == []


def test_there_is_a_file_for_each_part_and_process(tmp_path: Path) -> None:
    for writer in range(40):
        with Spill(tmp_path, f"{writer:02}") as spill:
            for number in range(40):
                spill.add(number, (writer, number))
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 40
    with patch("tandem.verify.parallel.spill.os.getpid", lambda: 1), Spill(tmp_path, "05a") as spill:
        spill.add(7, "another process")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 41
    rows = list(rows_of(tmp_path, 7))
    assert rows[:6] + rows[7:] == [(writer, 7) for writer in range(40)]
    assert rows[6] == "another process"


def test_linked_keys_have_one_representative_at_any_distance() -> None:
    found = representatives([frozenset("bd"), frozenset("df"), frozenset("ac"), frozenset("hij")])
    groups = {frozenset(key for key in found if found[key] == found[other]) for other in found}
    assert groups == {frozenset("bdf"), frozenset("ac"), frozenset("hij")}
    assert set(found.values()) <= set(found)
    assert representatives([]) == {}


def test_a_long_chain_of_keys_has_one_representative() -> None:
    chance, chain = Random(1), [frozenset({str(number), str(number + 1)}) for number in range(50_000)]
    for links in (chain, chain[::-1], chance.sample(chain, len(chain))):
        assert len(set(representatives(links).values())) == 1


def test_only_rows_of_linked_keys_are_compared_together() -> None:
    """Events with two keys in random parts would join nearly all parts."""
    orders = [order(number, f"o{number}") for number in range(200)]
    payments = [payment(number, f"p{number}", f"o{number}") for number in range(200)]
    payments += [payment(200 + number, f"p{number}", f"o{number + 1}") for number in range(0, 40, 2)]
    sizes: list[tuple[Rows, int]] = []

    def counted(*given: Any) -> Any:
        found = compare_part(*given)
        sizes.append((given[1], sum(found.outcomes[ORDERS.name].values())))
        return found

    with patch("tandem.verify.parallel.parallel_verification.compare_part", counted):
        report = orders_payments(orders, payments, [fact(f"o{number}", f"p{number}") for number in range(200)], 20)
    # The second order of such a payment is still waiting for another one.
    assert [problem.kind for problem in report.problems] == ["conflicting"], report.problems
    assert sum(size for kind, size in sizes if kind is Rows.LINKED) == 40
    assert sum(size for kind, size in sizes if kind is Rows.GROUPED) == 160
    assert max(size for _, size in sizes) < 25


def record(offset: int, document: dict[str, Any]) -> TopicRecord:
    return TopicRecord(0, offset, 1_700_000_000_000 + offset, None, json.dumps(document).encode(), [])


def order(offset: int, identity: str) -> TopicRecord:
    fields = {"order_id": identity, "order_date": AT, "created_at": AT, "customer_id": "c", "amount": 7}
    return record(offset, fields)


def payment(offset: int, identity: str, of: str) -> TopicRecord:
    fields = {"payment_id": identity, "order_id": of, "payment_date": AT, "created_at": AT, "amount": 9}
    return record(offset, fields)


def fact(of: str, identity: str) -> dict[str, Any]:
    order_part = {
        "order_id": of,
        "order_date": AT_MS,
        "created_at": AT_MS,
        "customer_id": "c",
        "order_amount": Int64(7),
    }
    payment_part = {"payment_id": identity, "payment_date": AT_MS, "payment_amount": Int64(9)}
    return {"_id": document_id(of, identity), **order_part, **payment_part}


def orders_payments(
    orders: list[TopicRecord], payments: list[TopicRecord], facts: list[dict[str, Any]], parts: int = PARTS
) -> Report:
    topics = {ORDERS.topic: orders, PAYMENTS.topic: payments}
    stored = Stored({FACTS.name: facts, UNMATCHED.name: []})
    sources = InMemory({**topics, DEAD_LETTER_TOPIC: []}, stored)
    parameters = {"match_window_seconds": 1800}
    return report_in_parts(ORDERS_PAYMENTS, sources, list(topics), DEAD_LETTER_TOPIC, parameters, parts=parts)


@pytest.fixture
def two_orders() -> tuple[str, str]:
    """Returns two orders whose keys are in different parts."""
    one, other = "o1", next(name for number in range(9) if part_of(name := f"x{number}", PARTS) != part_of("o1", PARTS))
    return one, other


def test_a_payment_that_was_sent_for_two_orders_may_be_paired_with_either(two_orders: tuple[str, str]) -> None:
    orders = [order(number, identity) for number, identity in enumerate(two_orders)]
    payments = [payment(number, "p", of) for number, of in enumerate(two_orders)]
    for of in two_orders:
        report = orders_payments(orders, payments, [fact(of, "p")])
        assert report.ok, report.problems
    assert not orders_payments(orders, payments, [fact("another", "p")]).ok


def test_without_linked_keys_such_a_payment_would_fail(two_orders: tuple[str, str]) -> None:
    """The negative control of the previous test."""
    orders = [order(number, identity) for number, identity in enumerate(two_orders)]
    payments = [payment(number, "p", of) for number, of in enumerate(two_orders)]
    with patch("tandem.verify.parallel.parallel_verification.representatives", lambda _: {}):
        assert not all(orders_payments(orders, payments, [fact(of, "p")]).ok for of in two_orders)


def test_a_copy_of_a_document_of_another_part_is_invented(two_orders: tuple[str, str]) -> None:
    one, other = two_orders
    orders, payments = [order(0, one)], [payment(0, "p", one)]
    report = orders_payments(orders, payments, [fact(one, "p"), {**fact(one, "p"), "_id": document_id(other, "p")}])
    assert [(problem.kind, problem.where, problem.count) for problem in report.problems] == [
        ("invented", FACTS.name, 1)
    ]
    report = orders_payments(orders, payments, [fact(one, "p"), {**fact(one, "p"), "_id": document_id(one, "q")}])
    assert [(problem.kind, problem.where, problem.count) for problem in report.problems] == [("doubled", FACTS.name, 1)]


@pytest.mark.parametrize("sender", [SENDER, "mart/another"])
def test_only_control_records_of_the_job_move_the_watermark(sender: str) -> None:
    value = control_value(sender, datetime(2023, 11, 14, 12, tzinfo=UTC))
    # The job reads it in a later batch than the order.
    close = TopicRecord(0, 1, read_by(1_700_000_000_000) + 1, CONTROL_KEY, value, [])
    report = orders_payments([order(0, "o"), close], [close._replace(offset=0)], [])
    # With the watermark, the document of the order without a payment is due.
    assert [problem.kind for problem in report.problems] == (["lost"] if sender == SENDER else [])
    assert [stream["control"] for stream in report.streams.values()] == [1, 1]


def test_other_oracles_are_not_divided() -> None:
    assert division_of(load_oracle(SEGMENT_REVENUE)) is None
    assert division_of(load_oracle(ORDERS_PAYMENTS)) is not None


class WithTotal(IntervalJoin):
    """Also expects the number of pairs, which depends on all events."""

    def expect(self, accepted: Any, **others: Any) -> Expectation:
        found = super().expect(accepted, **others)
        total = {"total": {"_id": "total", "pairs": len(found.documents[self.matches])}}
        return Expectation({**found.documents, self.leftovers: {**found.documents[self.leftovers], **total}}, {})


class WithTotalAndDivision(WithTotal):
    """Has a division that does not fit."""

    def expect(self, accepted: Any, **others: Any) -> Expectation:
        return super().expect(accepted, **others)

    def division(self) -> Division | None:
        return super().division()


class Renamed(IntervalJoin):
    """Inherits both methods."""


class Undivided(IntervalJoin):
    def division(self) -> None:
        return None


def oracle_of(kind: type[IntervalJoin]) -> Any:
    given: IntervalJoin = load_oracle(ORDERS_PAYMENTS).expect.__self__  # type: ignore[attr-defined]
    values = {each.name: getattr(given, each.name) for each in fields(given)}
    return SimpleNamespace(expect=kind(**values).expect, OUTCOMES=("matched", "unmatched"))


@pytest.mark.parametrize(
    ("kind", "divided"),
    [(IntervalJoin, True), (Renamed, True), (WithTotalAndDivision, True), (WithTotal, False), (Undivided, False)],
)
def test_only_the_class_that_defines_expect_can_divide_it(kind: type[IntervalJoin], divided: bool) -> None:
    assert (division_of(oracle_of(kind)) is not None) is divided


def test_a_division_that_does_not_fit_is_an_error() -> None:
    oracle, orders, payments = oracle_of(WithTotalAndDivision), [order(0, "o1")], [payment(0, "p", "o1")]
    with (
        patch("tandem.verify.parallel.work.load_oracle", lambda _: oracle),
        pytest.raises(TandemError, match="names no event of its part"),
    ):
        orders_payments(orders, payments, [fact("o1", "p")])


def join(**changes: Any) -> IntervalJoin:
    sides = {"left": Side("l", "left", "t", dict), "right": Side("r", "right", "t", dict)}
    fixed = {"refers": "left_id", "matches": "m", "leftovers": "u", "document": lambda *_: {}, "within": "w"}
    return IntervalJoin(**{**sides, **fixed, **changes})


def test_an_interval_join_is_divided_by_the_left_identity() -> None:
    division = join().division()
    assert division is not None
    assert division.key("l", "a|b", {}) == division.key("r", "p", {"left_id": "a|b"}) == "a|b"
    assert division.key("r", "p", {"left_id": None}) == "p"
    assert division.event("m", document_id("a|\\b", "p|q")) == ("l", "a|\\b")
    assert division.event("u", "left|a|b") == ("l", "a|b")
    assert division.event("u", "right|p") == ("r", "p")
    for collection, identity in [("m", "a"), ("m", "a\\|b"), ("u", "other|a"), ("u", "left"), ("audit", "a|b")]:
        found = division.event(collection, identity)
        assert found is None or found == ("l", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"right": Side("l", "right", "t", dict)},
        {"right": Side("r", "left", "t", dict)},
        {"left": Side("l", "le|ft", "t", dict)},
        {"matches": "u"},
    ],
)
def test_a_join_whose_ids_do_not_tell_the_event_is_not_divided(changes: dict[str, Any]) -> None:
    assert join(**changes).division() is None
