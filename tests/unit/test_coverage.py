"""What records can say after Kafka has removed some."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tandem.catalog import declared_by, find
from tandem.engine.declare.replay_range import NEVER_MS
from tandem.pipelines.segment_revenue.streams import CUSTOMER_SEGMENTS, DEAD_LETTER_TOPIC, REVENUE, SALES
from tandem.settings.load import load
from tandem.verify.compare import compare
from tandem.verify.coverage import Coverage, coverage_of
from tandem.verify.intake import Intake
from tandem.verify.oracle import Expectation, load_oracle
from tandem.verify.report import Kind, Report
from tandem.verify.topics import TopicRecord
from tandem.verify.totals import Dropped
from tandem.verify.watermark import sweep
from tests.parts import Stored, Topic

MINUTES_MS = 60_000
# The clock skew, the only duration among the parameters, and the lateness.
SKEW_MS, WITHIN_MS, LATENESS_MS = 5 * MINUTES_MS, 30 * MINUTES_MS, 5 * MINUTES_MS


def record(partition: int, offset: int, at_ms: int, *, by_broker: bool = True) -> TopicRecord:
    return TopicRecord(partition, offset, at_ms, None, b"", [], by_broker)


def covered(orders: Topic, payments: Topic, letters: Topic) -> Coverage:
    settings = load("embedded")
    readers: list[Any] = [orders, payments, letters]
    return coverage_of(declared_by(settings.location), settings.job, readers[:2], readers[2])


def test_all_records_cover_all_events() -> None:
    found = covered(Topic("o", [record(0, 0, 1), record(1, 0, 2)]), Topic("p", []), Topic("d", [record(0, 0, 3)]))
    assert found == Coverage({"o": {0: 0, 1: 0}, "p": {}, "d": {0: 0}})


def test_the_latest_of_the_oldest_records_left_counts() -> None:
    orders = [record(1, 9, 70), record(0, 5, 40), record(0, 6, 90), record(1, 10, 95), record(2, 0, 10)]
    found = covered(Topic("o", orders, {0: 5, 1: 9}), Topic("p", [record(0, 0, 80)]), Topic("d", []))
    decided_ms = 70 + SKEW_MS + WITHIN_MS
    assert (found.decided_ms, found.removed_ms, found.letters_ms) == (decided_ms, decided_ms, None)
    assert found.passed_ms == 70 + SKEW_MS - LATENESS_MS


def test_a_partition_without_records_holds_those_that_will_arrive() -> None:
    before_ms = time.time() * 1000 - 1
    found = covered(Topic("o", [record(0, 5, 40)], {0: 5}), Topic("p", [], {0: 7}), Topic("d", [], {0: 1}))
    assert found.decided_ms is not None
    assert found.decided_ms >= before_ms + SKEW_MS + WITHIN_MS
    assert found.letters_ms is not None
    assert found.letters_ms >= before_ms


def test_a_join_may_feed_a_window() -> None:
    settings = load("embedded")
    job = settings.job.model_copy(update={"parameters": {"match_window_seconds": 1800, "width_seconds": 60}})
    readers: list[Any] = [Topic("o", [record(0, 5, 40)], {0: 5}), Topic("p", []), Topic("d", [])]
    found = coverage_of(declared_by(settings.location), job, readers[:2], readers[2])
    assert found.decided_ms == 40 + SKEW_MS + WITHIN_MS + MINUTES_MS


def test_producers_clocks_cover_no_event() -> None:
    orders = Topic("o", [record(0, 5, 40, by_broker=False)], {0: 5})
    found = covered(orders, Topic("p", []), Topic("d", [record(0, 4, 50)], {0: 4}))
    assert found.decided_ms is not None
    assert found.decided_ms >= NEVER_MS
    assert found.letters_ms == 50


# The minute from 0 has two sales, the next one has one, and the one an hour later has two.
SALE_SECONDS = (0, 30, 100, 3600, 3630, 9000)


def revenue(documents: list[dict[str, Any]], removed: int, oracle: Any = None) -> Report:
    def sale(offset: int, second: int) -> TopicRecord:
        fields = {"sale_id": f"s{offset}", "sold_at": f"1970-01-02T{second // 3600:02}:{second // 60 % 60:02}"}
        fields["sold_at"] += f":{second % 60:02}Z"
        value = json.dumps({**fields, "customer_id": "c", "amount": 1}).encode()
        return TopicRecord(0, offset, 86_400_000 + second * 1000, None, value, [])

    records = [sale(offset, second) for offset, second in enumerate(SALE_SECONDS)][removed:]
    location = find("segment_revenue", Path("pipelines"))
    job = load("embedded").job.model_copy(update={"parameters": {"window_seconds": 60}})
    readers: list[Any] = [Topic(SALES.topic, records, {0: removed}), Topic(DEAD_LETTER_TOPIC, [])]
    coverage = coverage_of(declared_by(location), job, readers[:1], readers[1])
    intake = Intake(SALES, max_clock_skew_seconds=300, sender=None)
    intake.take(records)
    return compare(
        [intake],
        Stored({REVENUE.name: documents, CUSTOMER_SEGMENTS.collection: []}),
        [],
        sweep(intake.arrivals, ["sales"], lateness_seconds=300, passed_ms=coverage.passed_ms),
        oracle=oracle or load_oracle(location),
        collections=[REVENUE.name],
        dead_letter_topic=DEAD_LETTER_TOPIC,
        parameters=job.parameters,
        coverage=coverage,
        dropped=Dropped(0),
    )


def minute(second: int, sales: int) -> dict[str, Any]:
    start = 86_400 + second
    return {
        "_id": f"{start}|unknown",
        "window_start": DatetimeMS(start * 1000),
        "window_end": DatetimeMS((start + 60) * 1000),
        "segment": "unknown",
        "sales": sales,
        "revenue": Decimal128(Decimal(sales)),
    }


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_a_window_may_have_counted_removed_records(removed: int) -> None:
    report = revenue([minute(0, 2), minute(60, 1), minute(3600, 2)], removed)
    assert report.ok, report.problems
    note = f"{REVENUE.name}: 1 documents that may be of removed records could not be verified"
    assert (note in report.notes) == bool(removed)


@pytest.mark.parametrize("removed", [0, 1, 2])
@pytest.mark.parametrize(
    ("documents", "kind"),
    [([], "lost"), ([minute(3600, 1)], "wrong"), ([minute(3600, 2), minute(7200, 2)], "invented")],
)
def test_a_window_without_removed_records_is_compared(removed: int, documents: list[Any], kind: str) -> None:
    report = revenue([minute(0, 2), minute(60, 1), *documents], removed)
    assert [(each.kind.value, each.count) for each in report.problems] == [(kind, 1)]


class Single:
    """An oracle that expects a document without a time for each sale."""

    OUTCOMES = ("stored",)

    @staticmethod
    def expect(accepted: dict[str, Any], **_: object) -> Expectation:
        sales = accepted[SALES.name]
        documents = {identity: {"_id": identity, "amount": each["amount"]} for identity, each in sales.items()}
        return Expectation({REVENUE.name: documents}, {(SALES.name, identity): "stored" for identity in sales})


def test_documents_of_single_events_do_not_depend_on_removed_records() -> None:
    documents = [{"_id": f"s{number}", "amount": Int64(1)} for number in range(len(SALE_SECONDS))]
    report = revenue(documents, 2, Single)
    assert report.ok, report.problems
    assert f"{REVENUE.name}: 2 documents that may be of removed records could not be verified" in report.notes
    documents[2]["amount"] = Int64(2)
    del documents[3]
    assert {each.kind: each.examples for each in revenue(documents, 2, Single).problems} == {
        Kind.WRONG: ["s2 (amount)"],
        Kind.LOST: ["s3"],
    }


def test_the_note_about_documents_without_a_known_time_says_how_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.verify.coverage.event_times", lambda *_: ())
    notes = revenue([{"_id": "s0", "amount": Int64(1)}], 1, Single).notes
    assert any("name these fields in event_times of VIEW" in note for note in notes)
