"""The pipeline of docs/guides/cdc.md: what the verification makes of Debezium's records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import json_util

from tandem.catalog import PipelineLocation, declared_by
from tandem.dashboard.declaration import declared
from tandem.pipeline import FieldType, RecordPart, Stream
from tandem.verify.compare import compare
from tandem.verify.intake import Intake
from tandem.verify.reference import Accepted, Dead, Ignored, Validator
from tandem.verify.topics import TopicRecord
from tandem.verify.watermark import sweep
from tests.debezium import DELETE, INSERT, KEY, PAGE, RECORDS, ROW, TIME_MS, wrapped, write_pipeline
from tests.parts import ALL, UNLIMITED
from tests.readme import blocks_of

ARRIVED_MS = TIME_MS + 100_000


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipelineLocation]:
    monkeypatch.syspath_prepend(str(tmp_path))
    found = write_pipeline(tmp_path, "cdc_pipelines")
    yield found
    found.forget()


@pytest.fixture
def orders(location: PipelineLocation) -> Stream:
    (stream,) = declared_by(location).streams
    return stream


def intake_of(stream: Stream) -> Intake:
    intake = Intake(stream, max_clock_skew_seconds=300, sender=None)
    intake.take(TopicRecord(0, offset, ARRIVED_MS, key, value, []) for offset, (key, value) in enumerate(RECORDS))
    return intake


def read(stream: Stream, value: dict[str, Any], key: bytes = KEY) -> Any:
    return Validator(stream, max_clock_skew_seconds=300)(key, json.dumps(value).encode(), ARRIVED_MS)


def expected(location: PipelineLocation, intake: Intake) -> dict[str, Any]:
    found = location.module("oracle").expect({"orders": intake.accepted})
    return dict(found.documents["order_changes"])


def test_each_change_is_an_event_of_its_own(location: PipelineLocation, orders: Stream) -> None:
    intake = intake_of(orders)
    assert {identity: each["op"] for identity, each in intake.accepted.items()} == {
        '{"id":1000}|25685600': "r",
        '{"id":999}|25685600': "r",
        '{"id":1001}|25685672': "c",
        '{"id":1001}|25685900': "u",
        '{"id":1001}|25686100': "d",
    }
    # The same change sent again, at another time, is the same event.
    assert (intake.repeated, list(intake.conflicting), intake.ignored) == (1, [], 1)
    assert [letter.headers["error"] for letter in intake.dead.values()] == [
        "empty_value",
        "missing_field",
        "wrong_type",
        "wrong_type",
    ]
    totals = [document.get("total") for document in expected(location, intake).values()]
    assert [each and str(each) for each in totals] == ["-0.01", "9999999999.99", "30.50", "30.50", None]


def test_the_documented_document_follows_from_the_documented_record(location: PipelineLocation, orders: Stream) -> None:
    record, document = (json.loads(block) for block in blocks_of(PAGE, "json"))
    # The page leaves out some of what Debezium writes.
    assert {**record, "source": {**INSERT["source"], **record["source"]}}.items() <= INSERT.items()
    answer = read(orders, record)
    assert isinstance(answer, Accepted)
    (found,) = (
        location.module("oracle")
        .expect({"orders": {answer.fields["identity"]: answer.fields}})
        .documents["order_changes"]
        .values()
    )
    options = json_util.JSONOptions(datetime_representation=json_util.DatetimeRepresentation.ISO8601)
    assert json.loads(json_util.dumps(found, json_options=options)) == document


def test_a_tombstone_is_ignored_only_where_the_stream_says_so(orders: Stream) -> None:
    assert Validator(orders, max_clock_skew_seconds=300)(KEY, None, ARRIVED_MS) == Ignored()
    strict = replace(orders, ignores_tombstones=False)
    assert isinstance(Validator(strict, max_clock_skew_seconds=300)(KEY, None, ARRIVED_MS), Dead)


def test_the_report_counts_tombstones(location: PipelineLocation, orders: Stream) -> None:
    intake = intake_of(orders)
    found = expected(location, intake)

    class Documents:
        def ids(self, collection: str) -> set[str]:
            return set(found) if collection == "order_changes" else set()

        def read(self, collection: str) -> list[dict[str, Any]]:
            return list(found.values()) if collection == "order_changes" else []

    letters = [
        TopicRecord(
            0, 0, 0, key, letter.value, [(n, v.encode()) for n, v in letter.headers.items()] + [("detail", b"")]
        )
        for key, letter in intake.dead.items()
    ]
    report = compare(
        [intake],
        Documents(),
        letters,
        sweep(intake.arrivals, ["orders"], lateness_seconds=300),
        oracle=location.module("oracle"),
        collections=["order_changes"],
        dead_letter_topic="d",
        parameters={},
        coverage=ALL,
        dropped=UNLIMITED,
    )
    assert report.ok, report.problems
    assert (report.total["ignored"], report.rows[-1]) == (1, "ignored")


def test_the_schema_beside_the_payload_is_ignored(orders: Stream) -> None:
    inner = FieldType.record(orders.fields)
    enveloped = replace(
        orders,
        fields={"payload": inner},
        event_time="payload.source.ts_ms",
        identity=(RecordPart.KEY, "payload.source.lsn"),
    )
    for value in (INSERT, DELETE):
        plain, found = read(orders, value), read(enveloped, wrapped(value))
        assert isinstance(plain, Accepted)
        assert isinstance(found, Accepted)
        added = {name: plain.fields[name] for name in ("identity", "event_time")}
        assert found.fields == {"payload": {name: plain.fields[name] for name in orders.fields}, **added}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("AA==", "0.00"),
        ("fw==", "1.27"),
        ("AIA=", "1.28"),
        ("gA==", "-1.28"),
        ("/38=", "-1.29"),
        ("AAAAAAAAAAAAAAAAAAAAAQ==", "0.01"),
        ("/////////////////////w==", "-0.01"),
        ("", None),
        ("AAAAAAAAAAAAAAAAAAAAAAE=", None),
        ("AOjUpRAA", None),
        ("C+o", None),
        ("30.50", None),
        (30.5, None),
    ],
)
def test_a_number_in_bytes(orders: Stream, text: Any, number: str | None) -> None:
    answer = read(orders, {**INSERT, "after": {**ROW, "total": text}})
    if number is None:
        assert answer == Dead(answer.error, "after.total")
    else:
        assert str(answer.fields["after"]["total"]) == number
        assert answer.fields["after"]["total"] == Decimal(number)


def test_the_dashboard_shows_the_changes(location: PipelineLocation) -> None:
    view = declared(location).view
    assert [column.field for column in view.columns][:3] == ["_id", "order_id", "op"]
