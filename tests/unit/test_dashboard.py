"""What the dashboard makes of what it is told, without Kafka, MongoDB or a browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from kafka import TopicPartition
from prometheus_client import generate_latest

from tandem.catalog import find
from tandem.dashboard import mongo, publisher, result_watch, topic_watch
from tandem.dashboard.declaration import ShownPipeline, declared
from tandem.dashboard.health import SILENT_S, STILL_S, problems
from tandem.dashboard.job_watch import JobWatch
from tandem.dashboard.key_search import about, stored_keys
from tandem.dashboard.pages import Pages
from tandem.dashboard.prometheus import registry
from tandem.dashboard.result_watch import ResultWatch
from tandem.dashboard.series import LENGTH_S, SINGLE_S, Seconds
from tandem.dashboard.snapshot import environment, shown, snapshot
from tandem.dashboard.state import PipelineState
from tandem.dashboard.telemetry.report_feed import ReportFeed
from tandem.dashboard.topic_watch import TopicWatch
from tandem.engine.declare.stream import PROGRESS_COLLECTION
from tandem.engine.run.attention import LATE_AT, REFUSED
from tandem.pipeline import FieldType, RecordPart, Shown, Stream
from tandem.producer.record_encoder import encoder_of
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.verify.reference import Validator
from tandem.verify.topics import TopicRecord
from tests import dashboard
from tests.avro import SALES
from tests.dashboard import wait_until

NOW = 1000.0


@pytest.fixture
def declaration() -> ShownPipeline:
    return declared(find("orders_payments", Path("pipelines")))


@pytest.fixture
def state() -> PipelineState:
    """A job that has just reported."""
    found = PipelineState()
    found.mongo.now(True)
    found.kafka.now(True)
    committed = {"orders_topic_data_v1": {"0": 7}, "payments_topic_data_v1": {"0": 5}}
    found.progress = {"event": "batch", "at": DatetimeMS(0), "committed": committed, "state_events": 3, "batch": 4}
    found.heard_at = NOW - 1
    found.ends = {"orders_topic_data_v1": {0: 10}, "payments_topic_data_v1": {0: 5}}
    return found


def said(state: PipelineState, declaration: ShownPipeline, now: float = NOW) -> list[str]:
    return [problem["text"] for problem in problems(state, declaration, now)]


def test_nothing_is_said_of_what_works(state: PipelineState, declaration: ShownPipeline) -> None:
    assert said(state, declaration) == []


def test_a_silent_job_differs_from_a_stopped_or_failed_one(state: PipelineState, declaration: ShownPipeline) -> None:
    assert "has not reported for 9 s" in said(state, declaration, NOW + SILENT_S)[0]
    assert "3 records wait for it" in said(state, declaration, NOW + SILENT_S)[0]
    state.progress = {**(state.progress or {}), "event": "stopped"}
    assert "The job was stopped" in said(state, declaration)[0]
    state.progress = {**state.progress, "event": "failed", "error": "records are gone"}
    assert "failed at 00:00:00 UTC: records are gone" in said(state, declaration)[0]


def test_what_is_broken_is_said_within_ten_seconds() -> None:
    to_the_page = publisher.EVERY_S
    # From the moment a service stops to answer: the rest between two questions, and how long an answer is waited for.
    assert mongo.PING_EVERY_S + mongo.SELECTION_MS / 1000 + to_the_page <= 10
    assert topic_watch.POLL_MS / 1000 + topic_watch.REQUEST_MS / 1000 + to_the_page <= 10
    # From the last report, or from the first batch that moved nothing.
    assert SILENT_S + to_the_page <= 10
    assert STILL_S + to_the_page <= 10


def test_without_mongodb_the_job_is_unknown(state: PipelineState, declaration: ShownPipeline) -> None:
    state.mongo.now(False, "ServerSelectionTimeoutError")
    assert [text.split(" ")[0] for text in said(state, declaration, NOW + 60)] == ["MongoDB"]
    assert snapshot(state, declaration)["job"]["state"] == "unknown"


def test_a_watermark_that_stands_still_names_the_topic_that_holds_it(
    state: PipelineState, declaration: ShownPipeline
) -> None:
    state.still_since, state.records_at = NOW - 5, NOW - 1
    assert said(state, declaration) == []
    state.still_since = NOW - 12
    state.progress = {**(state.progress or {}), "streams": {"orders": {"newest_ms": 5}, "payments": {"newest_ms": 2}}}
    (text,) = said(state, declaration)
    assert "has not advanced for 12 s" in text
    assert "payments_topic_data_v1 has no newer events" in text
    # All topics are quiet: nothing can move it, and nothing is wrong.
    state.records_at = NOW - 31
    assert said(state, declaration) == []
    state.records_at = NOW - 1
    # Nothing waits for it then.
    state.progress = {**state.progress, "state_events": 0}
    assert said(state, declaration) == []


def test_what_the_job_warns_of_is_shown_as_status_says_it(state: PipelineState, declaration: ShownPipeline) -> None:
    state.progress = {**(state.progress or {}), LATE_AT: int(time.time() * 1000), "late_total": 1234, REFUSED: ["a"]}
    late, refused = problems(state, declaration, NOW)
    assert (late["code"], late["level"], refused["code"], refused["level"]) == ("late", "warning", "control", "warning")
    assert late["text"].startswith("1,234 records were late, the last at ")
    assert "`tandem reconcile`" in late["text"]
    assert refused["text"].startswith("Control records for topic a are refused (no WRITE right)")


def test_seconds_keep_a_quarter_of_an_hour() -> None:
    seconds = Seconds()
    for second in range(3 * LENGTH_S):
        seconds.add(second, 2.0, second % 100 / 10)
    assert len(list(seconds.points(0, 3 * LENGTH_S))) == 3 * LENGTH_S + 1
    assert sum(point.count for point in seconds.points(0, 3 * LENGTH_S)) <= LENGTH_S + 1
    (point,) = seconds.points(3 * LENGTH_S - 1, 3 * LENGTH_S - 1)
    assert (point.count, point.money, point.p50) == (1, 2.0, pytest.approx(9.9))


def test_a_second_with_many_documents_is_sampled_evenly_and_keeps_its_quantiles() -> None:
    seconds = Seconds()
    for number in range(8000):
        seconds.add(7, 0.0, number / 1000)
    # The first ones alone would say half a second.
    assert 250 <= len(seconds.latencies(7, 7)) <= 500
    (before,) = seconds.points(7, 7)
    assert before.p50 == pytest.approx(4.0, abs=0.1)
    assert before.p99 == pytest.approx(7.9, abs=0.1)
    seconds.add(7 + SINGLE_S + 1, 0.0, 1.0)
    seconds.add(7, 0.0, 100.0)
    assert seconds.latencies(7, 7) == []
    (after,) = seconds.points(7, 7)
    assert (after.count, after.p50, after.p99) == (8001, before.p50, before.p99)


def test_unobserved_changes_are_spread_over_their_seconds() -> None:
    seconds = Seconds()
    seconds.spread(10, 13, 8000, 400)
    assert [(point.count, point.money) for point in seconds.points(10, 13)] == [(2000, 100)] * 4


@pytest.mark.parametrize(("age_s", "latency"), [(2, 2.0), (-1, 0.0), (7200, None)])
def test_the_age_of_history_is_no_latency(age_s: int, latency: float | None, declaration: ShownPipeline) -> None:
    state, stored = PipelineState(), 1_700_000_000_000
    watch = ResultWatch(None, declaration.view, state)  # type: ignore[arg-type]
    document = {"order_date": DatetimeMS(stored - 9_000_000), "payment_date": DatetimeMS(stored - age_s * 1000)}
    change = {"operationType": "insert", "ns": {"coll": declaration.view.results.name}, "wallTime": DatetimeMS(stored)}
    watch.count({**change, "fullDocument": {**document, "payment_amount": 5}})
    (point,) = state.seconds.points(stored // 1000, stored // 1000)
    assert (point.count, point.money, point.p50) == (1, 5, latency)


def test_what_is_not_looked_at_counts_when_it_came_however_long_the_stream_was_quiet(
    declaration: ShownPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, burst = 1_700_000_000, 1_700_007_200
    clock, counts = [began + 0.999], iter((0, 100))
    monkeypatch.setattr(result_watch, "time", SimpleNamespace(time=lambda: clock[0]))

    class Stream(contextlib.AbstractContextManager["Stream"]):
        alive = True

        def __exit__(self, *_: object) -> None:
            clock[0] = burst + 1.999
            watch.stopping.set()

        def try_next(self) -> dict[str, Any]:
            clock[0] = burst + 0.5
            stored = {"wallTime": DatetimeMS(burst * 1000), "ns": {"coll": declaration.view.results.name}}
            return {**stored, "operationType": "insert", "fullDocument": {"payment_amount": 5}}

    class Documents(dict[str, Any]):
        def watch(self, *_: object, **__: object) -> Stream:
            return Stream()

    results = SimpleNamespace(estimated_document_count=lambda: next(counts))
    state = PipelineState()
    state.newest.append({})
    watch = ResultWatch(Documents({declaration.view.results.name: results}), declaration.view, state, budget=9)  # type: ignore[arg-type]
    watch.watch()
    assert [(point.count, point.money) for point in state.seconds.points(burst, burst)] == [(100, 500)]
    assert not any(point.count for point in state.seconds.points(began, burst - 1))


def test_partitions_that_a_topic_gets_are_watched(
    declaration: ShownPipeline, state: PipelineState, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = declaration.streams[0].topic
    known = {topic: {0}}

    class Consumer(SimpleNamespace):
        def poll(self, **_: object) -> dict[TopicPartition, Any]:
            assert len(known[topic]) < 3, "it goes on with those that it knew"
            known[topic] = known[topic] | {len(known[topic])}
            return {}

    def nothing(*_: object) -> None:
        pass

    consumer = Consumer(
        partitions_for_topic=known.get,
        end_offsets=lambda parts: dict.fromkeys(parts, 9),
        **dict.fromkeys(("assign", "pause", "seek_to_beginning", "close"), nothing),
    )
    monkeypatch.setattr(topic_watch, "reader", lambda **_: consumer)
    watch = TopicWatch(load("embedded").kafka, declaration, state)
    watch.watch()
    assert state.ends == {topic: {0: 9}}
    watch.watch()
    assert state.ends == {topic: {0: 9, 1: 9}}


def test_a_batch_that_is_reported_while_the_watch_begins_is_counted_once() -> None:
    first = {"_id": 1, "event": "batch", "at": DatetimeMS(1), "batch": 1, "input_rows": 5}

    class Found(list[dict[str, Any]]):
        def limit(self, _: int) -> list[dict[str, Any]]:
            return self

    class Collection(contextlib.AbstractContextManager["Collection"]):
        alive = True

        def __init__(self) -> None:
            self._changes = iter([first, {**first, "_id": 2, "batch": 2}])

        def watch(self, *_: object, **__: object) -> Collection:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def find_one(self, *_: object, **__: object) -> dict[str, Any]:
            return first

        def find(self, *_: object, **__: object) -> Found:
            return Found([first])

        def try_next(self) -> dict[str, Any] | None:
            if (report := next(self._changes, None)) is None:
                watch.stopping.set()
                return None
            return {"fullDocument": report}

    state, told = PipelineState(), list[tuple[Any, bool]]()
    feed = ReportFeed(lambda report, known: told.append((report["_id"], known)))
    watch = JobWatch({PROGRESS_COLLECTION: Collection()}, "a", state, feed)  # type: ignore[arg-type]
    watch.watch()
    assert [batch.number for batch in state.batches] == [1, 2]
    assert told == [(1, True), (2, False)]
    assert state.changes == 1


def test_each_driver_is_one_start(declaration: ShownPipeline) -> None:
    state = PipelineState()
    watch = JobWatch({}, "a", state, ReportFeed(lambda *_: None))  # type: ignore[arg-type]
    report = {"event": "idle", "at": DatetimeMS(1), "batch": 1, "input_rows": 0}
    for run in ("first", "first", "second", "second"):
        watch.take({**report, "run": run}, NOW)
    text = generate_latest(registry(lambda: [(state, declaration)])).decode()
    assert 'tandem_job_starts_total{pipeline="orders_payments"} 2.0' in text


def test_rejected_records_are_those_of_all_streams(state: PipelineState, declaration: ShownPipeline) -> None:
    state.progress = {**(state.progress or {}), "streams": {"orders": {"rejected": 2}, "payments": {"rejected": 3}}}
    text = generate_latest(registry(lambda: [(state, declaration)])).decode()
    assert 'tandem_job_rejected_records_total{pipeline="orders_payments"} 5.0' in text


def test_of_an_address_its_hosts_are_shown(declaration: ShownPipeline) -> None:
    settings = load("embedded", {"mongo": {"uri": "mongodb://db.example:27017,b:2/?tls=true"}})
    assert environment(settings, declaration)["mongo"] == "db.example:27017,b:2"


def test_a_number_that_a_browser_cannot_hold_is_text() -> None:
    assert shown(2**53, Shown.MONEY) == str(2**53)
    assert shown(5, Shown.MONEY) == 5
    nested = [{"price": Decimal128("1.50"), "at": DatetimeMS(0), "ž": True}]
    assert shown(nested, Shown.TEXT) == (
        '[{"price": {"$numberDecimal": "1.50"}, "at": {"$date": "1970-01-01T00:00:00Z"}, "ž": true}]'
    )
    assert shown(DatetimeMS(-(2**60)), Shown.TIME) == -(2**60)


def test_each_type_of_a_document_is_shown_as_it_is_declared() -> None:
    shown_as = [
        (True, "true"),
        (b"\xff\x00", "/wA="),
        (Decimal128("0E-7"), "0.0000000"),
        (DatetimeMS(5), {"time": 5}),
        (DBRef("x", 1, a=True), '{"$ref": "x", "$id": 1, "a": true}'),
        (None, None),
        ("x" * 300, "x" * 200),
    ]
    assert [shown(value, Shown.TEXT) for value, _ in shown_as] == [text for _, text in shown_as]
    assert shown(DatetimeMS(5), Shown.MONEY) == {"time": 5}


def test_a_key_of_any_type_is_looked_for() -> None:
    top = 2**63
    assert stored_keys("o-1") == ["o-1"]
    assert stored_keys("true") == ["true", True]
    assert stored_keys("2026-11-29") == ["2026-11-29", DatetimeMS(1_795_910_400_000)]
    assert stored_keys("2026-02-30") == ["2026-02-30"]
    assert stored_keys("1.50") == ["1.50", Decimal128("1.50")]
    assert stored_keys("5") == ["5", 5, Decimal128("5")]
    assert stored_keys(str(top - 1)) == [str(top - 1), top - 1, Decimal128(str(top - 1))]
    assert stored_keys(str(-top)) == [str(-top), -top, Decimal128(str(-top))]
    assert stored_keys(str(top)) == [str(top), Decimal128(str(top))]
    for text in ("05", "1e5", "9" * 35, "0." + "1" * 34, "NaN", ""):
        assert stored_keys(text) == [text]


KEYED = Stream(
    "s",
    "s",
    {
        "id": FieldType.STRING,
        "price": FieldType.decimal(5, 2),
        "day": FieldType.DATE.optional(),
        "flag": FieldType.BOOLEAN.default(False),
        "inner": FieldType.record({"n": FieldType.INTEGER}),
    },
    event_time=RecordPart.TIMESTAMP,
    identity="id",
)


@pytest.mark.parametrize(
    ("field", "key", "found"),
    [
        ("price", "5.00", [0, 1]),
        ("price", "5", [0, 1]),
        ("day", "2026-11-29", [0, 3]),
        ("flag", "true", [0]),
        ("flag", "false", [1, 2, 3]),
        ("inner.n", "7", [0, 3]),
        ("id", "a", [0, 3]),
    ],
)
def test_records_are_found_by_a_key_of_any_type(field: str, key: str, found: list[int]) -> None:
    values: list[dict[str, Any]] = [
        {"id": "a", "price": 5, "day": "2026-11-29", "flag": True, "inner": {"n": 7}},
        {"id": "b", "price": "5.000", "inner": {"n": -7}},
        {"id": "c", "price": 5.5, "day": None, "inner": {"n": 8}},
        {"id": "a", "price": "dear", "day": "2026-11-29", "flag": False, "inner": {"n": 7}},
    ]
    records = [TopicRecord(0, n, 0, None, json.dumps(value).encode(), []) for n, value in enumerate(values)]
    assert [each.offset for each in about(records, key, field, KEYED, Validator(KEYED, max_clock_skew_seconds=1))] == (
        found
    )


def test_a_key_of_the_record_is_no_field_of_its_value() -> None:
    stream = replace(KEYED, identity=RecordPart.KEY)
    value = json.dumps({"id": "a", "price": 5, "inner": {"n": 7}, "identity": "k"}).encode()
    records = [TopicRecord(0, n, 0, key, value, []) for n, key in enumerate((b"k", b"other"))]
    validate = Validator(stream, max_clock_skew_seconds=1)
    assert [each.offset for each in about(records, "k", "identity", stream, validate)] == [0]


@pytest.mark.parametrize(
    ("stored", "text"),
    [(DatetimeMS(-86_400_000), "1969-12-31"), (Decimal128("0E-7"), "0.0000000"), (2**62, str(2**62))],
)
def test_a_key_is_shown_as_it_is_looked_up(
    state: PipelineState, declaration: ShownPipeline, stored: Any, text: str
) -> None:
    state.newest.append({declaration.view.key: stored})
    column = [column.field for column in declaration.view.columns].index(declaration.view.key)
    assert snapshot(state, declaration)["newest"][0][column] == text
    assert stored in stored_keys(text)


def test_records_in_avro_are_found_by_an_integer() -> None:
    amount = 2**40
    values = [encoder_of(SALES).plain({"id": "a", "at": 0, "amount": each}) for each in (1, amount)]
    records = [TopicRecord(0, n, 0, None, value, []) for n, value in enumerate(values)]
    validate = Validator(SALES, max_clock_skew_seconds=1)
    assert [each.offset for each in about(records, str(amount), "amount", SALES, validate)] == [1]


def test_metrics_leave_out_what_is_not_known(state: PipelineState, declaration: ShownPipeline) -> None:
    text = generate_latest(registry(lambda: [(state, declaration)])).decode()
    assert 'tandem_job_records_total{pipeline="orders_payments"} 12.0' in text
    assert 'tandem_job_lag{pipeline="orders_payments"} 3.0' in text
    assert "tandem_results{" not in text


def test_an_aggregate_has_outcomes_of_its_own() -> None:
    aggregates = declared(find("segment_revenue", Path("pipelines")))
    told = environment(load("embedded", {"pipeline": "segment_revenue"}), aggregates)
    assert (told["outcomes"], told["aggregates"], told["leftovers"]) == (["counted"], True, None)


@pytest.mark.parametrize(
    ("value", "amount"), [(5, 5.0), (Decimal128("12"), 12.0), (Decimal128("1E+20"), 0.0), (2**63, 0.0), ("5", 0.0)]
)
def test_money_is_summed_in_the_types_that_documents_have(value: Any, amount: float) -> None:
    watch = ResultWatch(None, declared(find("segment_revenue", Path("pipelines"))).view, PipelineState())  # type: ignore[arg-type]
    change = {"operationType": "insert", "ns": {"coll": "segment_revenue"}, "fullDocument": {"revenue": value}}
    assert watch.count({**change, "wallTime": DatetimeMS(0)}) == amount


@pytest.fixture
def served() -> Iterator[tuple[str, list[Settings]]]:
    with dashboard.served() as found:
        yield found


def test_pages_come_and_go_with_pipelines(served: tuple[str, list[Settings]]) -> None:
    address, known = served

    def pipelines() -> list[str]:
        with urlopen(f"{address}/api/now") as answer:
            return [each["name"] for each in json.load(answer)["pipelines"]]

    assert pipelines() == ["orders_payments"]
    known.append(dashboard.settings_of("segment_revenue"))
    wait_until(lambda: pipelines() == ["orders_payments", "segment_revenue"])
    with urlopen(f"{address}/?pipeline=segment_revenue") as page, urlopen(f"{address}/") as first:
        assert page.read() == first.read()
    with urlopen(f"{address}/api/now?pipeline=segment_revenue") as answer:
        told = json.load(answer)
    assert told["environment"]["title"] == "Revenue by segment"
    assert [each["url"] for each in told["pipelines"]] == ["/", "/?pipeline=segment_revenue"]
    with urlopen(f"{address}/metrics") as answer:
        metrics = answer.read().decode()
    for name in ("orders_payments", "segment_revenue"):
        assert f'tandem_job_up{{pipeline="{name}"}} 0.0' in metrics
    assert metrics.count("# TYPE tandem_job_up ") == 1
    # What an open page listens to ends with its pipeline, so that it looks for it anew.
    with urlopen(f"{address}/api/events", timeout=20) as updates:
        del known[0]
        assert updates.read().startswith(b"event: hello")
    wait_until(lambda: pipelines() == ["segment_revenue"])
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{address}/?pipeline=orders_payments")


def test_metrics_are_for_any_hosts_name_and_pages_for_this_machines(served: tuple[str, list[Settings]]) -> None:
    """A Prometheus in a container calls the dashboard by a name of its network; a page of another site must not."""
    address, _ = served

    def status(path: str, host: str) -> int:
        try:
            with urlopen(Request(f"{address}{path}", headers={"Host": host})) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    for host in ("dashboard:8080", "host.docker.internal:8080", "localhost:8080"):
        assert [status(path, host) for path in ("/metrics", "/health")] == [200, 200]
    private = ("/", "/api/now", "/api/events", "/api/search?key=a", "/static/app.js", "/metrics/", "//metrics")
    assert {status(path, "evil.example") for path in private} == {400}


def test_a_pipeline_that_cannot_be_shown_harms_no_other_and_returns_when_fixed() -> None:
    first, good = dashboard.settings_of("orders_payments"), dashboard.settings_of("segment_revenue")
    bad = good.model_copy(update={"mongo": good.mongo.model_copy(update={"username": "u", "password": "env:NOWHERE"})})

    async def come_and_go() -> None:
        known = [first]
        pages = Pages(lambda: known)

        def shown(*settings: Settings) -> list[str]:
            pages.show(settings)
            return [page.declaration.name for page in pages.all()]

        try:
            assert shown(first, bad) == ["orders_payments"]
            assert shown(first, good) == ["orders_payments"]
            assert shown(first) == ["orders_payments"]
            assert shown(first, good) == ["orders_payments", "segment_revenue"]
            assert shown(first) == ["orders_payments"]
            # Nothing that can be shown runs: the last one is still shown, and goes on.
            assert shown(bad) == ["orders_payments"]
            assert not any(watcher.stopping.is_set() for watcher in pages.of(None).watchers)
        finally:
            pages.of(None).stop()

    asyncio.run(come_and_go())


def test_a_look_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.dashboard.pages.LOOK_S", 0.01)
    first, second = dashboard.settings_of("orders_payments"), dashboard.settings_of("segment_revenue")
    looks: Iterator[Any] = iter([[first], OSError("a file of half a pipeline")])

    def known() -> list[Settings]:
        if isinstance(look := next(looks, [first, second]), OSError):
            raise look
        return list(look)

    async def follow() -> None:
        pages = Pages(known)
        following = asyncio.create_task(pages.run())
        async with asyncio.timeout(20):
            while len(pages.all()) < 2:
                await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.wait([following])

    asyncio.run(follow())


def test_updates_go_on_after_one_that_failed_and_end_when_they_are_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "EVERY_S", 0.01)
    monkeypatch.setattr(publisher, "QUIET_S", 0.0)
    renderings: Iterator[Any] = iter([KeyError("event")])

    def render() -> dict[str, Any]:
        if error := next(renderings, None):
            raise error
        return {"now": 1}

    async def listen() -> list[str]:
        published = publisher.Publisher(PipelineState(), render)
        publishing = asyncio.create_task(published.run())
        heard: list[str] = []
        async with asyncio.timeout(20):
            async for update in published.updates():
                heard.append(update)
                published.end()
            async for _ in published.updates():
                raise AssertionError("there are no more")
        publishing.cancel()
        return heard

    assert asyncio.run(listen()) == ['{"now":1}']
