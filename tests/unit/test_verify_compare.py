"""The comparison finds every kind of difference. Most tests here are negative controls: one fault, and it must fail."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from bson.objectid import ObjectId
from rich.console import Console

from tandem.catalog import declared_by, find
from tandem.engine.declare.stream import JOB_COLLECTION
from tandem.engine.declare.wire_format import prefix_of
from tandem.pipeline import FieldType, JsonSchema, RecordPart, Stream
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.settings.load import load
from tandem.verify.compare import compare
from tandem.verify.coverage import Coverage, coverage_of
from tandem.verify.expected import ObservedDocuments
from tandem.verify.intake import Intake, unknown_schema_keys
from tandem.verify.oracle import load_oracle
from tandem.verify.report import Kind, RecordCounts, Report, show
from tandem.verify.settle import await_settled, what_is_missing
from tandem.verify.topics import TopicRecord
from tandem.verify.totals import Dropped
from tandem.verify.watermark import sweep
from tests.parts import UNLIMITED, Topic

ARRIVED_MS = 1_700_000_000_000
EARLY, RECENT = "2023-11-14T10:00:00Z", "2023-11-14T22:00:00Z"
EARLY_MS, RECENT_MS = DatetimeMS(1_699_956_000_000), DatetimeMS(1_699_999_200_000)


class Collections(dict[str, list[dict[str, Any]]]):
    """Documents in memory."""

    def ids(self, collection: str) -> Set[str]:
        return {d["_id"] for d in self[collection] if isinstance(d["_id"], str)}

    def read(self, collection: str) -> Iterable[dict[str, Any]]:
        return self[collection]


def record(offset: int, document: Any, at: int = ARRIVED_MS) -> TopicRecord:
    value = document if isinstance(document, bytes | None) else json.dumps(document).encode()
    return TopicRecord(0, offset, at, None, value, [])


def order(identity: str, at: str, amount: int = 7) -> dict[str, Any]:
    return {"order_id": identity, "order_date": at, "created_at": at, "customer_id": "c", "amount": amount}


def payment(identity: str, at: str, of: str, amount: int = 9) -> dict[str, Any]:
    return {"payment_id": identity, "order_id": of, "payment_date": at, "created_at": at, "amount": amount}


def test_a_record_that_is_sent_again_has_another_time_and_no_other_content() -> None:
    """Where the record's timestamp is the event time, either time may be stored, and neither is a fault."""
    fields = {"event": FieldType.STRING, "amount": FieldType.INTEGER}
    stream = Stream("s", "s", fields, event_time=RecordPart.TIMESTAMP, identity="event")
    intake = Intake(stream, max_clock_skew_seconds=300, sender=None)
    sent = [("a", 1), ("a", 1), ("b", 1), ("b", 1), ("b", 2), ("c", 1), ("c", 2)]
    intake.take(record(n, {"event": event, "amount": amount}, ARRIVED_MS + n) for n, (event, amount) in enumerate(sent))
    assert list(intake.conflicting) == ["b", "c"]
    assert [version["event_time"] for version in intake.versions["a"]] == [(ARRIVED_MS + 1) * 1000]


def letter_of(rejected: TopicRecord, error: str) -> TopicRecord:
    return letter(rejected.offset, rejected.value, error, rejected.timestamp)


def letter(offset: int, value: bytes | None, error: str, at: int = ARRIVED_MS) -> TopicRecord:
    headers = {
        "source_topic": ORDERS.topic,
        "source_partition": "0",
        "source_offset": str(offset),
        "source_timestamp": str(at),
        "error": error,
        "detail": "",
    }
    encoded: list[tuple[str, bytes | None]] = [("error", b"a header of the record's own"), ("empty", None)]
    encoded += [(name, text.encode()) for name, text in headers.items()]
    return TopicRecord(3, offset, ARRIVED_MS, f"{ORDERS.topic}-0-{offset}".encode(), value, encoded)


@dataclass
class World:
    """Topics and what a faultless pipeline makes of them: one fact, one unmatched order, all outcomes but late."""

    orders: list[TopicRecord] = field(
        default_factory=lambda: [
            record(0, order("o1", EARLY)),
            record(1, order("o2", EARLY)),
            record(2, order("o1", EARLY)),  # a repeat
            record(3, b"{"),
            record(4, None),
            record(5, order("o3", RECENT)),
        ]
    )
    payments: list[TopicRecord] = field(
        default_factory=lambda: [record(0, payment("p1", EARLY, "o1")), record(1, payment("p3", RECENT, "o9"))]
    )
    documents: Collections = field(
        default_factory=lambda: Collections(
            {
                FACTS.name: [
                    {
                        "_id": "o1|p1",
                        "order_id": "o1",
                        "order_date": EARLY_MS,
                        "created_at": EARLY_MS,
                        "customer_id": "c",
                        "order_amount": Int64(7),
                        "payment_id": "p1",
                        "payment_date": EARLY_MS,
                        "payment_amount": Int64(9),
                    }
                ],
                UNMATCHED.name: [
                    {
                        "_id": "order|o2",
                        "kind": "order",
                        "order_id": "o2",
                        "order_date": EARLY_MS,
                        "created_at": EARLY_MS,
                        "customer_id": "c",
                        "amount": Int64(7),
                    }
                ],
            }
        )
    )
    letters: list[TopicRecord] = field(
        default_factory=lambda: [letter(3, b"{", "not_json"), letter(4, None, "empty_value")]
    )
    removed: dict[str, dict[int, int]] = field(default_factory=dict)
    dropped: Dropped = UNLIMITED

    @property
    def coverage(self) -> Coverage:
        records = {ORDERS.topic: self.orders, PAYMENTS.topic: self.payments, DEAD_LETTER_TOPIC: self.letters}
        topics: list[Any] = [Topic(topic, each, self.removed.get(topic, {})) for topic, each in records.items()]
        settings = load("embedded")
        return coverage_of(declared_by(settings.location), settings.job, topics[:2], topics[2])

    def report(self) -> Report:
        coverage = self.coverage
        intakes = []
        for stream, records in ((ORDERS, self.orders), (PAYMENTS, self.payments)):
            intakes.append(Intake(stream, max_clock_skew_seconds=300, sender=None))
            intakes[-1].take(records, unknown_schema_keys(self.letters))
        arrivals = (arrival for intake in intakes for arrival in intake.arrivals)
        streams = ("orders", "payments")
        watermark = sweep(arrivals, streams, lateness_seconds=300, passed_ms=coverage.passed_ms)
        return compare(
            intakes,
            self.documents,
            self.letters,
            watermark,
            oracle=load_oracle(find("orders_payments", Path("pipelines"))),
            collections=list(self.documents),
            dead_letter_topic=DEAD_LETTER_TOPIC,
            parameters={"match_window_seconds": 1800},
            coverage=coverage,
            dropped=self.dropped,
        )

    @property
    def fact(self) -> dict[str, Any]:
        return self.documents[FACTS.name][0]


@pytest.fixture
def world() -> World:
    return World()


def found(report: Report) -> dict[tuple[str, str], int]:
    assert not report.ok
    return {(problem.kind.value, problem.where): problem.count for problem in report.problems}


def test_a_faultless_pipeline_passes_and_every_record_is_counted_once(world: World) -> None:
    world.orders = [r._replace(timestamp=ARRIVED_MS - 5000) if r.offset < 3 else r for r in world.orders]
    world.payments = [r._replace(timestamp=ARRIVED_MS - 5000) if r.offset == 0 else r for r in world.payments]
    report = world.report()
    assert report.ok
    assert report.problems == []
    assert report.streams["orders"] == RecordCounts(consumed=6, matched=1, unmatched=1, waiting=1, repeated=1, dead=2)
    assert report.streams["payments"] == RecordCounts(consumed=2, matched=1, waiting=1)
    assert report.total.balanced
    assert report.to_json()["watermark"] == "2023-11-14T21:55:00.000Z"
    json.dumps(report.to_json())


def test_missing_fact(world: World) -> None:
    world.orders = [r._replace(timestamp=ARRIVED_MS - 5000) if r.offset < 3 else r for r in world.orders]
    world.payments = [r._replace(timestamp=ARRIVED_MS - 5000) if r.offset == 0 else r for r in world.payments]
    world.documents[FACTS.name].clear()
    assert found(world.report()) == {("lost", FACTS.name): 1}


def test_missing_unmatched_document(world: World) -> None:
    world.orders = [r._replace(timestamp=ARRIVED_MS - 5000) if r.offset < 3 else r for r in world.orders]
    world.documents[UNMATCHED.name].clear()
    assert found(world.report()) == {("lost", UNMATCHED.name): 1}


def test_events_that_may_have_been_late_may_be_missing_altogether(world: World) -> None:
    # All arrived in one millisecond: whether the early ones came after the recent ones is not known.
    for documents in world.documents.values():
        documents.clear()
    report = world.report()
    assert report.ok
    assert report.total["late"] == 3


@pytest.mark.parametrize("dropped", [Dropped(3), Dropped(0, 3), Dropped(2, 50)])
def test_no_more_events_are_late_than_the_job_may_have_dropped(world: World, dropped: Dropped) -> None:
    for documents in world.documents.values():
        documents.clear()
    world.dropped = dropped
    report = world.report()
    assert report.ok
    assert any("nothing reports what it dropped" in note for note in report.notes) == bool(dropped.unreported)


@pytest.mark.parametrize("dropped", [Dropped(1), Dropped(0, 1)])
def test_events_of_which_the_job_dropped_fewer_are_lost(world: World, dropped: Dropped) -> None:
    for documents in world.documents.values():
        documents.clear()
    world.dropped = dropped
    assert found(world.report()) == {("lost", "possibly late records"): 2}


def test_an_unmatched_document_beside_a_fact(world: World) -> None:
    world.documents[UNMATCHED.name].append({**world.documents[UNMATCHED.name][0], "_id": "order|o1", "order_id": "o1"})
    assert found(world.report()) == {("invented", UNMATCHED.name): 1}


def test_a_document_of_a_collection_that_the_oracle_leaves_out(world: World) -> None:
    world.documents["audit"] = []
    assert world.report().ok
    world.documents["audit"].append({"_id": "o1"})
    assert found(world.report()) == {("invented", "audit"): 1}


def test_an_oracle_gets_ids_when_it_asks_for_them_and_of_known_collections_only() -> None:
    read: list[str] = []

    class Documents(Collections):
        def ids(self, collection: str) -> Set[str]:
            read.append(collection)
            return super().ids(collection)

    observed = ObservedDocuments(Documents({FACTS.name: [{"_id": "o1|p1"}]}), [FACTS.name, UNMATCHED.name])
    assert list(observed) == [FACTS.name, UNMATCHED.name]
    assert len(observed) == 2
    assert read == []
    assert observed[FACTS.name] == observed[FACTS.name] == {"o1|p1"}
    assert read == [FACTS.name]
    with pytest.raises(KeyError):
        observed["customers"]


def test_extra_fact(world: World) -> None:
    world.documents[FACTS.name].append({**world.fact, "_id": "o1|p9", "payment_id": "p9"})
    assert found(world.report()) == {("invented", FACTS.name): 1}


@pytest.mark.parametrize("identity", [ObjectId(), 5, {"a": 1}, "another"])
def test_fact_under_a_second_id(world: World, identity: Any) -> None:
    world.documents[FACTS.name].append({**world.fact, "_id": identity})
    assert found(world.report()) == {("doubled", FACTS.name): 1}


@pytest.mark.parametrize(
    "change",
    [
        {"order_amount": Int64(8)},
        {"order_amount": 7.0},
        {"order_amount": "7"},
        {"order_amount": None},
        {"order_date": DatetimeMS(int(EARLY_MS) + 1)},
        {"order_date": Int64(int(EARLY_MS))},
        {"customer_id": "C"},
        {"more": None},
    ],
)
def test_changed_fact(world: World, change: dict[str, Any]) -> None:
    world.fact.update(change)
    report = world.report()
    assert found(report) == {("wrong", FACTS.name): 1}
    assert report.problems[0].examples == [f"o1|p1 ({next(iter(change))})"]


def test_missing_field(world: World) -> None:
    del world.fact["customer_id"]
    assert found(world.report()) == {("wrong", FACTS.name): 1}


def test_missing_dead_letter(world: World) -> None:
    world.letters.pop()
    assert found(world.report()) == {("lost", DEAD_LETTER_TOPIC): 1}


def test_doubled_dead_letter(world: World) -> None:
    world.letters.append(world.letters[0])
    assert found(world.report()) == {("doubled", DEAD_LETTER_TOPIC): 1}


@pytest.mark.parametrize("key", [b"orders_topic_data_v1-0-0", b"?", None, b"\xff", b"orders-0-" + b"9" * 5000])
def test_invented_dead_letter(world: World, key: bytes | None) -> None:
    world.letters.append(world.letters[0]._replace(key=key))
    assert found(world.report()) == {("invented", DEAD_LETTER_TOPIC): 1}


@pytest.mark.parametrize(
    "wrong", [letter(3, b"{ ", "not_json"), letter(3, None, "not_json"), letter(3, b"{", "not_utf8")]
)
def test_changed_dead_letter(world: World, wrong: TopicRecord) -> None:
    world.letters[0] = wrong
    assert found(world.report()) == {("wrong", DEAD_LETTER_TOPIC): 1}


def test_an_empty_value_is_not_a_missing_one(world: World) -> None:
    world.letters[1] = letter(4, b"", "empty_value")
    assert found(world.report()) == {("wrong", DEAD_LETTER_TOPIC): 1}


@pytest.mark.parametrize("header", ["source_topic", "source_timestamp", "error", "detail"])
def test_dead_letter_without_a_header(world: World, header: str) -> None:
    kept = [(name, value) for name, value in world.letters[0].headers if name != header]
    world.letters[0] = world.letters[0]._replace(headers=kept)
    assert found(world.report()) == {("wrong", DEAD_LETTER_TOPIC): 1}


def test_a_dead_letter_of_a_record_that_retention_removed_is_noted_only(world: World) -> None:
    world.removed = {ORDERS.topic: {0: 3}}
    world.orders = world.orders[3:]
    world.letters.append(letter(2, b"x", "not_json"))
    report = world.report()
    assert report.ok, report.problems
    assert f"{ORDERS.topic}: the first 3 offsets were removed by retention and could not be verified" in report.notes


LATER, LAST = "2023-11-15T10:00:00Z", "2023-11-15T12:00:00Z"
LATER_MS, LAST_MS = 1_700_042_400_000, 1_700_049_600_000


@pytest.fixture
def older(world: World) -> World:
    """A world with older records, which a test may remove, and others of the day after."""
    world.orders = [each._replace(timestamp=ARRIVED_MS - 5000) if each.offset < 3 else each for each in world.orders]
    world.orders += [record(6, order("o4", LATER), LATER_MS), record(7, order("o5", LATER), LATER_MS)]
    world.orders.append(record(8, order("o6", LAST), LAST_MS))
    world.payments[0] = world.payments[0]._replace(timestamp=ARRIVED_MS - 5000)
    world.payments += [record(2, payment("p4", LATER, "o4"), LATER_MS), record(3, payment("p6", LAST, "o9"), LAST_MS)]
    times = {"order_date": DatetimeMS(LATER_MS), "created_at": DatetimeMS(LATER_MS)}
    ids = {"_id": "o4|p4", "order_id": "o4", "payment_id": "p4"}
    world.documents[FACTS.name].append({**world.fact, **ids, **times, "payment_date": DatetimeMS(LATER_MS)})
    alone = world.documents[UNMATCHED.name][0]
    recent = {"order_date": RECENT_MS, "created_at": RECENT_MS}
    world.documents[UNMATCHED.name] += [
        {**alone, "_id": "order|o3", "order_id": "o3", **recent},
        {**alone, "_id": "order|o5", "order_id": "o5", **times},
        {
            "_id": "payment|p3",
            "kind": "payment",
            "payment_id": "p3",
            "order_id": "o9",
            "payment_date": RECENT_MS,
            "created_at": RECENT_MS,
            "amount": Int64(9),
        },
    ]
    world.dropped = Dropped(0)
    return world


def remove(world: World, orders: int, payments: int) -> None:
    """Removes the first records of both topics."""
    world.orders, world.payments = world.orders[orders:], world.payments[payments:]
    world.removed = {ORDERS.topic: {0: orders}, PAYMENTS.topic: {0: payments}}
    world.letters = [each for each in world.letters if orders <= each.offset]


@pytest.mark.parametrize(
    ("orders", "payments", "facts", "unmatched"),
    [(0, 0, 0, 0), (5, 1, 1, 1), (6, 2, 1, 3), (0, 1, 1, 0), (3, 0, 1, 1), (2, 0, 0, 1), (0, 2, 1, 1)],
)
def test_documents_of_removed_records_are_noted_only(
    older: World, orders: int, payments: int, facts: int, unmatched: int
) -> None:
    remove(older, orders, payments)
    report = older.report()
    assert report.ok, report.problems
    for collection, count in ((FACTS.name, facts), (UNMATCHED.name, unmatched)):
        note = f"{collection}: {count} documents that may be of removed records could not be verified"
        assert (note in report.notes) == bool(count)
        assert any(each.startswith(collection) for each in report.notes) == bool(count)


def test_removed_records_may_have_moved_the_watermark_further_than_those_that_are_left(world: World) -> None:
    """No payment is left, and without one the watermark would not have closed the unmatched order's window."""
    remove(world, 0, 2)
    report = world.report()
    assert report.ok, report.problems
    assert report.watermark_ms == 0


def dated(world: World, at_ms: int, **fields: Any) -> dict[str, Any]:
    return {**world.fact, "order_date": DatetimeMS(at_ms), "payment_date": DatetimeMS(at_ms), **fields}


def lose_fact(world: World) -> None:
    del world.documents[FACTS.name][1]


def lose_unmatched(world: World) -> None:
    del world.documents[UNMATCHED.name][2]


def invent_fact(world: World) -> None:
    world.documents[FACTS.name].append(dated(world, LATER_MS, _id="o7|p7"))


def invent_partner(world: World) -> None:
    world.documents[FACTS.name].append(dated(world, LATER_MS, _id="o4|p7", order_id="o4"))


def change_fact(world: World) -> None:
    world.documents[FACTS.name][1]["order_amount"] = Int64(8)


def copy_fact(world: World) -> None:
    world.documents[FACTS.name].append({**world.documents[FACTS.name][1], "_id": "o4|p7"})


@pytest.mark.parametrize(
    ("fault", "kind", "where"),
    [
        (lose_fact, Kind.LOST, FACTS),
        (lose_unmatched, Kind.LOST, UNMATCHED),
        (invent_fact, Kind.INVENTED, FACTS),
        (invent_partner, Kind.INVENTED, FACTS),
        (change_fact, Kind.WRONG, FACTS),
        (copy_fact, Kind.DOUBLED, FACTS),
    ],
)
@pytest.mark.parametrize(("orders", "payments"), [(0, 0), (5, 1), (0, 1), (3, 0)])
def test_where_the_topics_have_all_events_every_difference_counts(
    older: World, fault: Callable[[World], None], kind: Kind, where: Any, orders: int, payments: int
) -> None:
    remove(older, orders, payments)
    fault(older)
    assert found(older.report()) == {(kind.value, where.name): 1}


def test_a_document_that_names_only_events_that_are_there_is_compared(older: World) -> None:
    remove(older, 2, 0)
    alone = older.documents[UNMATCHED.name][0]
    older.documents[UNMATCHED.name].append({**alone, "_id": "order|o1", "order_id": "o1"})
    assert found(older.report()) == {("invented", UNMATCHED.name): 1}
    older.documents[UNMATCHED.name].pop()
    older.fact["order_amount"] = Int64(8)
    assert found(older.report()) == {("wrong", FACTS.name): 1}


@pytest.mark.parametrize("dropped", [2, 0])
def test_removed_records_may_have_made_others_late_but_no_more_than_the_job_dropped(older: World, dropped: int) -> None:
    remove(older, 2, 0)
    del older.documents[FACTS.name][0]
    older.dropped = Dropped(dropped)
    report = older.report()
    assert report.ok == bool(dropped)
    assert report.count(Kind.LOST) == 2 - dropped


def test_removed_records_have_moved_the_watermark_no_further_than_their_clocks(older: World) -> None:
    """Those that arrived before the oldest one left are dated five minutes after it at most."""
    remove(older, 5, 1)
    lose_fact(older)
    older.dropped = Dropped(2)
    assert found(older.report()) == {("lost", FACTS.name): 1}


def test_producers_clocks_say_nothing_about_removed_records(older: World) -> None:
    remove(older, 5, 1)
    older.orders = [each._replace(by_broker=False) for each in older.orders]
    lose_unmatched(older)
    invent_fact(older)
    report = older.report()
    assert report.ok, report.problems
    assert any("producers date the records" in note for note in report.notes)
    change_fact(older)
    assert found(older.report()) == {("wrong", FACTS.name): 1}


@pytest.mark.parametrize(("arrived_ms", "is_lost"), [(ARRIVED_MS - 1, False), (ARRIVED_MS, True)])
def test_a_missing_dead_letter_may_have_been_removed_if_older_ones_are(
    older: World, arrived_ms: int, is_lost: bool
) -> None:
    older.orders[3] = older.orders[3]._replace(timestamp=arrived_ms)
    del older.letters[0]
    assert found(older.report()) == {("lost", DEAD_LETTER_TOPIC): 1}
    older.removed = {DEAD_LETTER_TOPIC: {3: 1}}
    report = older.report()
    assert report.ok != is_lost
    note = f"{DEAD_LETTER_TOPIC}: 1 missing dead letters may have been removed by retention"
    assert (note in report.notes) != is_lost


def test_no_more_dead_letters_were_removed_than_offsets(older: World) -> None:
    """The newest letter of an empty partition may have been any letter."""
    for offset in (3, 4):
        older.orders[offset] = older.orders[offset]._replace(timestamp=ARRIVED_MS - 1)
    del older.letters[:2]
    older.removed = {DEAD_LETTER_TOPIC: {3: 2}}
    assert older.report().ok
    older.removed = {DEAD_LETTER_TOPIC: {3: 1}}
    report = older.report()
    assert found(report) == {("lost", DEAD_LETTER_TOPIC): 1}
    assert "2 missing, at most 1 removed by retention" in str(report.problems)


def test_an_unknown_schema_of_a_stream_without_schemas(world: World) -> None:
    world.letters.append(letter(0, world.orders[0].value, "unknown_schema"))
    assert found(world.report()) == {("invented", DEAD_LETTER_TOPIC): 1}


@pytest.fixture
def registered(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose job did not know the schema of order o2 when it read it. No other event may be late."""
    with_schemas = replace(ORDERS, format=JsonSchema("orders-value", (1,)))
    monkeypatch.setattr("tests.unit.test_verify_compare.ORDERS", with_schemas)
    world.documents[UNMATCHED.name].clear()
    world.orders = [
        each._replace(
            timestamp=ARRIVED_MS - 10_000 + 1000 * each.offset, value=each.value and prefix_of(1) + each.value
        )
        for each in world.orders
    ]
    world.payments = [each._replace(timestamp=ARRIVED_MS - 10_000 + 5000 * each.offset) for each in world.payments]
    errors = {1: "unknown_schema", 3: "not_json", 4: "empty_value"}
    world.letters = [letter_of(world.orders[offset], error) for offset, error in errors.items()]
    world.dropped = Dropped(0)
    return world


def test_an_event_whose_schema_was_unknown_may_be_missing(registered: World) -> None:
    report = registered.report()
    assert report.ok, report.problems
    assert report.streams["orders"] == RecordCounts(consumed=6, matched=1, late=1, waiting=1, repeated=1, dead=2)
    assert report.notes == [
        f"{DEAD_LETTER_TOPIC}: records that were rejected before their schema was known: 1; "
        "`tandem reconcile` writes their documents, but none of unmatched events"
    ]


def test_no_other_event_may_be_missing(registered: World) -> None:
    registered.documents[FACTS.name].clear()
    assert found(registered.report()) == {("lost", FACTS.name): 1}


def test_an_event_whose_schema_was_unknown_may_be_sent_again(registered: World) -> None:
    again = registered.orders[1]
    registered.orders.append(again._replace(offset=6, timestamp=ARRIVED_MS - 7000))
    assert found(registered.report()) == {("lost", UNMATCHED.name): 1}


def test_an_event_whose_schema_was_unknown_moves_no_watermark(registered: World) -> None:
    registered.letters.append(letter_of(registered.orders[5], "unknown_schema"))
    assert registered.report().watermark_ms == int(EARLY_MS) - 300_000


def test_a_record_whose_schema_was_unknown_may_be_dead_for_another_reason_now(registered: World) -> None:
    registered.letters[1] = letter_of(registered.orders[3], "unknown_schema")
    assert registered.report().ok
    registered.letters[1] = letter_of(registered.orders[3], "not_utf8")
    assert found(registered.report()) == {("wrong", DEAD_LETTER_TOPIC): 1}


def test_dead_letters_of_unknown_schemas_are_compared(registered: World) -> None:
    unknown = registered.letters[0]
    registered.letters += [unknown, unknown._replace(key=f"{ORDERS.topic}-0-999999".encode())]
    assert found(registered.report()) == {("doubled", DEAD_LETTER_TOPIC): 1, ("invented", DEAD_LETTER_TOPIC): 1}
    registered.letters[-2:] = []
    registered.letters[0] = unknown._replace(value=b"other")
    assert found(registered.report()) == {("wrong", DEAD_LETTER_TOPIC): 1}


def test_a_removed_record_whose_schema_was_unknown_is_not_counted(registered: World) -> None:
    registered.removed = {ORDERS.topic: {0: 2}}
    registered.orders = registered.orders[2:]
    report = registered.report()
    assert report.ok, report.problems
    assert not any("schema" in note for note in report.notes)


@pytest.mark.parametrize("amount", [7, 8])
def test_conflicting_events_may_be_stored_either_way(world: World, amount: int) -> None:
    world.orders.append(record(6, order("o1", EARLY, amount=8)))
    world.fact["order_amount"] = Int64(amount)
    report = world.report()
    assert report.ok
    assert [(p.kind, p.where, p.examples) for p in report.problems] == [(Kind.CONFLICTING, "orders", ["o1"])]


def test_conflicting_events_may_not_be_stored_otherwise(world: World) -> None:
    world.orders.append(record(6, order("o1", EARLY, amount=8)))
    world.fact["order_amount"] = Int64(6)
    assert ("wrong", FACTS.name) in found(world.report())


def conflicting(world: World, *pairs: tuple[int, int], contents: int = 2) -> World:
    """Returns a world of orders that were sent with amounts 1, 2, ..., payments with 10, 20, ..., and these facts."""
    world.orders = [
        record(place, order(f"o{place % len(pairs)}", EARLY, amount=1 + place // len(pairs)))
        for place in range(contents * len(pairs))
    ]
    world.payments = [
        record(
            place, payment(f"p{place % len(pairs)}", EARLY, f"o{place % len(pairs)}", 10 * (1 + place // len(pairs)))
        )
        for place in range(contents * len(pairs))
    ]
    fact = world.fact
    world.documents = Collections({FACTS.name: [], UNMATCHED.name: []})
    for number, (of_order, of_payment) in enumerate(pairs):
        names = {"_id": f"o{number}|p{number}", "order_id": f"o{number}", "payment_id": f"p{number}"}
        amounts = {"order_amount": Int64(of_order), "payment_amount": Int64(of_payment)}
        world.documents[FACTS.name].append({**fact, **names, **amounts})
    world.letters = []
    return world


def test_each_pair_may_combine_contents_of_its_own(world: World) -> None:
    report = conflicting(world, (1, 20), (2, 10), (1, 10), (2, 20)).report()
    assert report.ok, report.problems
    assert {problem.kind for problem in report.problems} == {Kind.CONFLICTING}


def test_of_many_contents_any_two_may_be_combined(world: World) -> None:
    assert conflicting(world, (1, 50), (4, 20), contents=5).report().ok


def test_only_contents_that_were_sent_are_combined(world: World) -> None:
    assert found(conflicting(world, (3, 10), (1, 20)).report())["wrong", FACTS.name] == 1


@pytest.mark.parametrize(("customer", "amount"), [("c", 8), ("d", 7)])
def test_contents_of_one_side_are_not_mixed(world: World, customer: str, amount: int) -> None:
    world.orders.append(record(6, {**order("o1", EARLY, amount=8), "customer_id": "d"}))
    world.payments.append(record(2, payment("p1", EARLY, "o1", 10)))
    world.fact.update(customer_id=customer, order_amount=Int64(amount))
    assert found(world.report())["wrong", FACTS.name] == 1


def test_a_pair_may_be_there_by_contents_that_match_each_other_alone(world: World) -> None:
    # The first contents match, and the second ones do: hours later.
    later, later_ms = "2023-11-14T15:00:00Z", DatetimeMS(1_699_974_000_000)
    world.orders.append(record(6, order("o1", later)))
    world.payments.append(record(2, payment("p1", later, "o1")))
    world.fact.update(order_date=later_ms, created_at=later_ms, payment_date=later_ms)
    assert world.report().ok
    world.fact.update(payment_date=EARLY_MS)
    assert found(world.report())["wrong", FACTS.name] == 1


def test_so_many_contents_that_not_all_can_be_combined_come_to_an_end(world: World) -> None:
    report = conflicting(world, (0, 0), contents=60).report()
    assert found(report)["wrong", FACTS.name] == 1
    assert any("too many different contents" in note for note in report.notes)


def test_examples_are_few_and_short(world: World) -> None:
    for number in range(9):
        world.documents[FACTS.name].append({"_id": f"{number}" * 500})
    problem = world.report().problems[0]
    assert problem.count == 9
    assert len(problem.examples) == 5
    assert all(len(example) < 80 for example in problem.examples)


def test_table_fits_80_columns(world: World) -> None:
    world.fact["order_amount"] = Int64(6)
    output = io.StringIO()
    show(world.report(), Console(file=output, width=80, no_color=True))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("matched" in line for line in lines)
    assert "wrong in orders_data_process_fact: 1, such as o1|p1 (order_amount)" in lines


ENDS = {"t": {0: 5, 1: 0}}


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (None, "not reported yet"),
        ({"committed": None}, "5 offsets"),
        ({"committed": {"t": {"0": 4}}}, "1 offsets"),
        ({"committed": {"t": {"0": 5}}, "watermark": None}, "not set"),
        ({"committed": {"t": {"0": 5}}, "watermark": DatetimeMS(999)}, "0.001 s behind"),
    ],
)
def test_job_that_lags(progress: dict[str, Any] | None, expected: str) -> None:
    assert expected in str(what_is_missing(progress, ENDS, 1000))


def test_job_that_is_done() -> None:
    done = {"committed": {"t": {"0": 5, "1": 0}, "other": {"0": 1}}, "watermark": DatetimeMS(1000)}
    assert what_is_missing(done, ENDS, 1000) is None
    assert what_is_missing({**done, "watermark": None}, ENDS, 0) is None


def test_the_newest_report_says_how_many_records_were_dropped_and_how_many_may_be() -> None:
    reported = {"late_total": 4, "unreported": 7, "state_operators": 0}
    reports = SimpleNamespace(find_one=lambda query: reported if query == {"_id": "mine"} else None)
    database: Any = {JOB_COLLECTION: reports}
    assert await_settled(database, "mine", {}, 0, deadline_s=0, problem=lambda: None) == Dropped(4, 7)


def test_job_without_state_needs_no_watermark() -> None:
    done = {"committed": {"t": {"0": 5}}, "watermark": DatetimeMS(999), "state_operators": 0}
    assert what_is_missing(done, ENDS, 1000) is None
    assert what_is_missing({**done, "state_operators": 1}, ENDS, 1000) is not None
    assert what_is_missing({**done, "committed": {}}, ENDS, 1000) is not None
