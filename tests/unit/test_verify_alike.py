"""Random records and documents get the same report in parts as at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from bson.objectid import ObjectId

from tandem.catalog import find
from tandem.pipelines.orders_payments.oracle import expect
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.verify.compare import compare
from tandem.verify.coverage import Coverage
from tandem.verify.intake import Intake
from tandem.verify.oracle import load_oracle
from tandem.verify.report import Kind, Problem, Report
from tandem.verify.topics import TopicRecord
from tandem.verify.totals import Dropped
from tandem.verify.watermark import sweep
from tests.parts import ALL, SENDER, InMemory, Stored, in_order, report_in_parts

LOCATION = find("orders_payments", Path("pipelines"))
PARAMETERS = {"match_window_seconds": 1800}
ARRIVED_MS = 1_700_000_000_000
HOURS = ["10:00", "10:20", "10:40", "15:00", "21:30", "22:00"]
ORDER_IDS = ["o1", "o2", "o|4", "o\\5", "p1"]
PAYMENT_IDS = ["p1", "p2", "p3", "o1", "p|\\"]
# Each kind of difference, and each outcome.
EVERYTHING = {
    *(f"{kind} in {where.name}" for kind in ("lost", "invented", "doubled", "wrong") for where in (FACTS, UNMATCHED)),
    *(f"{kind} in {DEAD_LETTER_TOPIC}" for kind in ("lost", "invented", "doubled", "wrong")),
    *("conflicting in orders", "conflicting in payments", "lost in possibly late records"),
    *("matched", "unmatched", "waiting", "late", "repeated", "dead"),
}


def _record(chance: Random, partition: int, offset: int, document: dict[str, Any]) -> TopicRecord:
    value: bytes | None = json.dumps(document).encode()
    if chance.random() < 0.1:
        value = chance.choice([None, b"", b"{", b"\xff", b"5"])
    at = ARRIVED_MS + offset * 700 + chance.randrange(3)
    return TopicRecord(partition, offset, at, None, value, [], chance.random() < 0.99)


def _records(chance: Random, kind: str) -> list[TopicRecord]:
    found = []
    for partition in range(2):
        for offset in range(chance.randrange(8)):
            hour = max(0, min(5, offset + chance.randrange(-1, 2))) if chance.random() < 0.9 else 0
            at = f"2023-11-14T{HOURS[hour]}:00Z"
            of = {"order_id": chance.choice(ORDER_IDS), "created_at": at, "amount": chance.choice([1, 1, 2])}
            if kind == "order":
                document = {**of, "order_date": at, "customer_id": "c"}
            else:
                document = {**of, "payment_id": chance.choice(PAYMENT_IDS), "payment_date": at}
            found.append(_record(chance, partition, offset, document))
    return found


def _documents(
    chance: Random, intakes: list[Intake], watermark_ms: int, late: set[Any], *, copies: bool
) -> dict[str, Any]:
    """Returns the expected documents of some contents, with a few faults."""
    accepted = {each.stream.name: dict(each.accepted) for each in intakes}
    for each in intakes:
        for identity in each.accepted:
            accepted[each.stream.name][identity] = chance.choice(each.contents(identity))
    # Most of those that may have been late were processed.
    ids = {f"order|{i}" for i in accepted["orders"]} | {f"payment|{i}" for i in accepted["payments"]}
    observed = {FACTS.name: set[str](), UNMATCHED.name: {i for i in sorted(ids) if chance.random() < 0.7}}
    found = expect(accepted, watermark_ms=watermark_ms, late=late, observed=observed, **PARAMETERS).documents
    documents = {name: [_typed(each) for each in found[name].values()] for name in (FACTS.name, UNMATCHED.name)}
    for collection in documents.values():
        for document in list(collection):
            match chance.randrange(24):
                case 0:
                    collection.remove(document)
                case 1:
                    document["amount"] = Int64(99)
                case 2 if copies:
                    collection.append({**document, "_id": chance.choice([ObjectId(), "other", "order|o1", "o1|p1"])})
                case 3:
                    collection.append({**document, "_id": f"{document['_id']}x", "customer_id": "invented"})
                case 4:
                    document["created_at"] = DatetimeMS(5)
        unique = {str(document["_id"]): document for document in collection}
        collection[:] = unique.values()
    return documents


def _typed(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Int64(value) if type(value) is int else value for name, value in document.items()}


def _letters(chance: Random, intakes: list[Intake]) -> list[TopicRecord]:
    found = []
    for intake in intakes:
        for key, letter in intake.dead.items():
            headers = [*((name, text.encode()) for name, text in letter.headers.items()), ("detail", b"")]
            for _ in range(chance.choice([1] * 15 + [0, 2])):
                value = letter.value if chance.random() < 0.9 else b"other"
                found.append(TopicRecord(0, 0, ARRIVED_MS, key, value, headers))
    if chance.random() < 0.2:
        found.append(TopicRecord(0, 0, ARRIVED_MS, chance.choice([None, b"?", b"orders-0-7"]), b"", []))
    return in_order(found)


def _known(report: Report) -> dict[str, Any]:
    """Returns a report without the order of its parts.

    A copy of a document that another part expects is invented, not doubled.
    """
    problems: dict[tuple[str, str], list[Problem]] = {}
    for each in report.problems:
        copied = each.kind is Kind.DOUBLED and each.where != DEAD_LETTER_TOPIC
        problems.setdefault((Kind.INVENTED if copied else each.kind, each.where), []).append(each)
    known = {
        key: (
            sum(each.count for each in found),
            sorted(example for each in found for example in each.examples)
            if all(each.count <= 5 for each in found)
            else None,
        )
        for key, found in problems.items()
    }
    return {**report.to_json(), "problems": known}


def test_parts_and_the_whole_get_the_same_report() -> None:
    seen: set[str] = set()
    # The same examples each time, because they must have everything.
    for seed in range(200):
        chance = Random(seed)
        parts, chunk = chance.randint(1, 5), chance.randint(1, 5)
        whole, divided = _reports(chance, parts, chunk, rounds=1 + seed % 3)
        seen.update({f"{each.kind} in {each.where}" for each in whole.problems} | whole.total.keys())
        assert _known(divided) == _known(whole), f"seed {seed}"
    assert seen >= EVERYTHING, EVERYTHING - seen


def _read_in_rounds(records: list[TopicRecord], rounds: int) -> list[TopicRecord]:
    """Returns records in the order in which ``report_in_parts`` reads them.

    It decides which contents of an event are its first ones.
    """
    ends = {record.partition: record.offset + 1 for record in records}

    def read_in(record: TopicRecord) -> int:
        return next(
            number for number in range(1, rounds + 1) if record.offset < ends[record.partition] * number // rounds
        )

    return sorted(records, key=read_in)


def _after_removal(chance: Random) -> Coverage:
    """Returns what random records can say if older ones were removed."""
    hour = chance.choice(["09:00", *HOURS])
    since_ms = round(datetime.fromisoformat(f"2023-11-14T{hour}:00+00:00").timestamp() * 1000)
    return Coverage(
        decided_ms=since_ms,
        removed_ms=since_ms,
        passed_ms=since_ms - chance.choice([0, 1_800_000]),
        letters_ms=chance.choice([None, ARRIVED_MS + 1000]),
        event_times={FACTS.name: ("order_date", "payment_date"), UNMATCHED.name: ("order_date", "payment_date")},
    )


def test_parts_and_the_whole_get_the_same_report_after_records_were_removed() -> None:
    seen: set[str] = set()
    for seed in range(150):
        chance = Random(seed)
        # Parts do not find the original of a copy in another part.
        whole, divided = _reports(chance, 3, 3, rounds=1, coverage=_after_removal(chance), copies=False)
        seen.update({f"{each.kind} in {each.where}" for each in whole.problems})
        seen.update(note.partition(":")[0] for note in whole.notes)
        assert _known(divided) == _known(whole), f"seed {seed}"
    assert seen >= {FACTS.name, UNMATCHED.name, DEAD_LETTER_TOPIC, "events that may have partners which were not read"}
    assert seen >= {f"{kind} in {where.name}" for kind in ("lost", "invented", "wrong") for where in (FACTS, UNMATCHED)}


def _reports(
    chance: Random, parts: int, chunk: int, rounds: int, coverage: Coverage = ALL, *, copies: bool = True
) -> tuple[Report, Report]:
    """Returns the reports of random records and documents: of the whole, and of parts."""
    records = {ORDERS.topic: _records(chance, "order"), PAYMENTS.topic: _records(chance, "payment")}
    intakes = [Intake(stream, max_clock_skew_seconds=300, sender=SENDER) for stream in (ORDERS, PAYMENTS)]
    for intake in intakes:
        intake.take(_read_in_rounds(records[intake.stream.topic], rounds))
    arrivals = (arrival for intake in intakes for arrival in intake.arrivals)
    watermark = sweep(arrivals, ("orders", "payments"), lateness_seconds=300, passed_ms=coverage.passed_ms)
    documents = _documents(chance, intakes, watermark.ms, set(watermark.late), copies=copies)
    letters, dropped = _letters(chance, intakes), Dropped(chance.choice([99, 0, 1, 5]), chance.choice([0, 0, 1]))
    whole = compare(
        intakes,
        Stored(documents),
        letters,
        watermark,
        oracle=load_oracle(LOCATION),
        collections=[FACTS.name, UNMATCHED.name],
        dead_letter_topic=DEAD_LETTER_TOPIC,
        parameters=PARAMETERS,
        coverage=coverage,
        dropped=dropped,
    )
    sources = InMemory({**records, DEAD_LETTER_TOPIC: letters}, Stored(documents))
    divided = report_in_parts(
        LOCATION,
        sources,
        list(records),
        DEAD_LETTER_TOPIC,
        PARAMETERS,
        parts=parts,
        chunk=chunk,
        rounds=rounds,
        coverage=coverage,
        dropped=dropped,
    )
    return whole, divided
