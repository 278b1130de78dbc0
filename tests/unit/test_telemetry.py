"""What the dashboard sends to a collector and to a lineage server, and that nothing depends on either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.request import urlopen

import pytest
from bson.datetime_ms import DatetimeMS
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from structlog.testing import capture_logs

from tandem import __version__
from tandem.catalog import Declaration, declared_by, find
from tandem.dashboard.declaration import declared
from tandem.dashboard.prometheus import registry
from tandem.dashboard.state import PipelineState
from tandem.dashboard.telemetry.batch_trace import BatchSpan, trace_of
from tandem.dashboard.telemetry.datasets import datasets_of
from tandem.dashboard.telemetry.delivery_log import DeliveryLog
from tandem.dashboard.telemetry.report_feed import ReportFeed
from tandem.dashboard.telemetry.run_states import RunStates
from tandem.dashboard.telemetry.telemetry import Telemetry
from tandem.engine.declare.collection import Collection
from tandem.engine.declare.field_type import DocumentType, FieldType
from tandem.engine.declare.stream import Stream
from tandem.engine.write.batch_steps import COMPUTE, DOCUMENTS, LETTERS
from tandem.errors import UsageError, install_hint
from tandem.foreign.telemetry_variables import unused_addresses
from tandem.platforms import doctor
from tandem.settings.load import load, read_settings
from tandem.settings.model import Settings
from tests.dashboard import NOWHERE, wait_until
from tests.telemetry import PROTOBUF, Received, attributes, receiver

RUN, NEXT_RUN = "0" * 31 + "1", "0" * 31 + "2"
MS = 1_000_000
BATCH: dict[str, Any] = {
    "_id": 7,
    "event": "batch",
    "pipeline": "orders_payments",
    "run": RUN,
    "runtime": {"spark": "4.2.0"},
    "at": DatetimeMS(1_700_000_000_400),
    "begun_at": DatetimeMS(1_700_000_000_000),
    "batch": 12,
    "input_rows": 5,
    "late": 2,
    "dead_letters": 1,
    "state_events": 3,
    "state_bytes": 4096,
    "watermark": DatetimeMS(1_699_999_700_000),
    "error": None,
    # As Spark reports them: in no order.
    "durations_ms": {
        "addBatch": 250,
        "commitOffsets": 20,
        "getBatch": 1,
        "latestOffset": 5,
        "queryPlanning": 14,
        "triggerExecution": 320,
        "walCommit": 20,
    },
    "steps": [
        {"step": COMPUTE, "collection": None, "at_ms": 1_700_000_000_050, "ms": 180},
        {"step": LETTERS, "collection": None, "at_ms": 1_700_000_000_235, "ms": 40},
        {"step": DOCUMENTS, "collection": "facts", "at_ms": 1_700_000_000_235, "ms": 60},
    ],
}


def report(event: str, at_ms: int, run: str = RUN, **more: Any) -> dict[str, Any]:
    return {**BATCH, "_id": at_ms, "event": event, "at": DatetimeMS(at_ms), "run": run, **more}


def within(span: BatchSpan) -> list[tuple[str, int, int]]:
    """Returns the children's names, and their beginnings and ends after the batch's beginning."""
    return [(each.name, each.begin_ms - 1_700_000_000_000, each.end_ms - 1_700_000_000_000) for each in span.children]


@pytest.fixture
def _variables() -> Iterator[None]:
    """The libraries get their addresses by variables of this process."""
    with patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(("OTEL_", "OPENLINEAGE_"))]:
            del os.environ[name]
        # The library tries for this long.
        os.environ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "0.5"
        yield
    # What still tried to send would log into the next test.
    names = ("metrics", "lineage", "OtelBatch")
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith(names)])


def answers(url: str) -> bool:
    try:
        with urlopen(url) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def sending(**telemetry: Any) -> Settings:
    return load("embedded", {"telemetry": telemetry})


# What a report tells


def test_a_batchs_phases_follow_each_other_and_its_steps_have_their_own_times() -> None:
    trace = trace_of(BATCH)
    assert trace is not None
    assert (trace.name, trace.begin_ms, trace.end_ms) == ("batch", 1_700_000_000_000, 1_700_000_000_320)
    assert within(trace) == [
        ("look for records", 0, 5),
        ("write offsets", 5, 25),
        ("get batch", 25, 26),
        ("plan", 26, 40),
        # It cannot have ended before its last step.
        ("join and write", 45, 295),
        ("commit", 295, 315),
    ]
    (write,) = (each for each in trace.children if each.name == "join and write")
    assert within(write) == [
        ("read and join", 50, 230),
        ("append dead letters", 235, 275),
        ("write documents", 235, 295),
    ]
    assert write.children[2].attributes == {"db.system.name": "mongodb", "db.collection.name": "facts"}
    assert trace.attributes == {
        "messaging.system": "kafka",
        "messaging.batch.message_count": 5,
        "tandem.pipeline": "orders_payments",
        "tandem.run": RUN,
        "tandem.batch": 12,
        "tandem.late": 2,
        "tandem.dead_letters": 1,
        "tandem.state.events": 3,
        "tandem.state.bytes": 4096,
        "tandem.watermark_ms": 1_699_999_700_000,
    }


def test_no_child_ends_after_its_batch() -> None:
    durations = {**BATCH["durations_ms"], "triggerExecution": 300}
    trace = trace_of({**BATCH, "durations_ms": durations})
    assert trace is not None
    assert trace.end_ms == max(child.end_ms for child in trace.children)


def test_a_step_that_seems_to_begin_before_its_phase_is_within_it() -> None:
    """Spark's phases are whole milliseconds, and their sum may be too long."""
    trace = trace_of({**BATCH, "steps": [{"step": COMPUTE, "collection": None, "at_ms": 1_700_000_000_038, "ms": 249}]})
    assert trace is not None
    (write,) = (each for each in trace.children if each.name == "join and write")
    assert (write.begin_ms, write.end_ms) == (1_700_000_000_038, 1_700_000_000_288)


@pytest.mark.parametrize("change", [{"begun_at": None}, {"durations_ms": {}}, {"durations_ms": None}])
def test_a_report_without_times_is_no_trace(change: dict[str, Any]) -> None:
    assert trace_of({**BATCH, **change}) is None


def test_reports_that_were_missed_are_passed_on_once() -> None:
    told: list[tuple[int, bool]] = []
    feed = ReportFeed(lambda report, known: told.append((report["_id"], known)))
    feed.catch_up([{"_id": 2}, {"_id": 1}], {"_id": 2})
    feed.take({"_id": 2})
    feed.take({"_id": 3})
    # MongoDB did not answer for a while.
    feed.catch_up([{"_id": number} for number in (5, 4, 3, 2, 1)], {"_id": 6})
    feed.take({"_id": 6})
    feed.take({"_id": 7})
    assert told == [(2, True), (3, False), (4, False), (5, False), (6, False), (7, False)]


def test_of_a_new_environment_every_report_is_passed_on() -> None:
    told: list[tuple[int, bool]] = []
    feed = ReportFeed(lambda report, known: told.append((report["_id"], known)))
    feed.take({"_id": 1})
    feed.catch_up([{"_id": 2}, {"_id": 1}], {"_id": 2})
    assert told == [(1, False), (2, False)]


@pytest.mark.parametrize(
    ("reports", "states"),
    [
        ([report("started", 0), report("batch", 1), report("stopped", 2)], ["START", "COMPLETE"]),
        ([report("started", 0), report("started", 3000), report("failed", 9000, error="why")], ["START", "FAIL"]),
        # Once a minute.
        ([report("started", 0), report("batch", 59_999), report("idle", 60_000)], ["START", "RUNNING"]),
        # A dashboard that started later.
        ([report("batch", 0), report("batch", 1), report("stopped", 2)], ["RUNNING", "COMPLETE"]),
        # The driver was killed.
        ([report("started", 0), report("started", 5, NEXT_RUN)], ["START", "ABORT", "START"]),
        ([report("started", 0), report("stopped", 1), report("started", 5, NEXT_RUN)], ["START", "COMPLETE", "START"]),
        ([report("started", 0), report("stopped", 1), report("stopped", 2)], ["START", "COMPLETE"]),
    ],
)
def test_the_states_of_runs(reports: list[dict[str, Any]], states: list[str]) -> None:
    runs = RunStates()
    changes = [change for each in reports for change in runs.of(each)]
    assert [change.state for change in changes] == states
    assert [change.error for change in changes if change.state == "FAIL"] == ["why"] * states.count("FAIL")
    aborted = [change.run.hex for change in changes if change.state == "ABORT"]
    assert aborted == [RUN] * states.count("ABORT")


def test_datasets_have_the_names_and_fields_that_openlineage_specifies() -> None:
    item = FieldType.record({"sku": FieldType.STRING, "price": FieldType.decimal(12, 2)})
    fields = {
        "id": FieldType.STRING,
        "at": FieldType.TIMESTAMP,
        "items": FieldType.array(item),
        "notes": FieldType.map(FieldType.TEXT),
    }
    stream = Stream(name="sales", topic="sales_v1", fields=fields, event_time="at", identity="id")
    collections = (Collection("facts", {"sum": DocumentType.DECIMAL}), Collection("any"))
    settings = load(
        "embedded",
        {
            "kafka": {"bootstrap": "a.example:9092,b.example:9093"},
            "mongo": {"uri": "mongodb://m.example:27018,n.example/?replicaSet=r", "database": "mart"},
        },
    )
    found = datasets_of(settings, Declaration((stream,), "dead", collections, (), None))
    (topic,) = found.inputs
    assert (topic.namespace, topic.name) == ("kafka://a.example:9092", "sales_v1")
    facts, anything, dead = found.outputs
    assert (facts.namespace, facts.name) == ("mongodb://m.example:27018", "mart.facts")
    assert (dead.namespace, dead.name, dead.facets) == ("kafka://a.example:9092", "dead", {})
    assert anything.facets == {}

    def shape(fields: Any) -> dict[str, Any]:
        return {each.name: (each.type, shape(each.fields)) if each.fields else each.type for each in fields}

    assert topic.facets is not None
    assert shape(topic.facets["schema"].fields) == {  # type: ignore[attr-defined]
        "id": "string",
        "at": "timestamp",
        "items": ("array", {"_element": ("record", {"sku": "string", "price": "decimal(12,2)"})}),
        "notes": ("map", {"key": "string", "value": "text"}),
    }
    assert facts.facets is not None
    assert shape(facts.facets["schema"].fields) == {"_id": "string", "sum": "decimal"}  # type: ignore[attr-defined]


def test_a_lookup_is_an_input_and_a_name_in_dns_stays_a_name() -> None:
    settings = load(
        "embedded", {"pipeline": "segment_revenue", "mongo": {"uri": "mongodb+srv://c.mongodb.example/?tls=true"}}
    )
    found = datasets_of(settings, declared_by(find("segment_revenue", Path("pipelines"))))
    assert [(each.namespace, each.name.rpartition(".")[2]) for each in found.inputs] == [
        ("kafka://127.0.0.1:19092", "sales_v1"),
        ("mongodb://c.mongodb.example", "customer_segments"),
    ]


# What is sent


@pytest.mark.usefixtures("_variables")
def test_a_batch_is_sent_as_one_trace_with_the_libraries_own_variables() -> None:
    own = {
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": "shop",
    }
    os.environ.update(own)
    with receiver() as (address, received):
        telemetry = Telemetry(sending(otlp_endpoint=address, metrics=False))
        feed = telemetry.feed(load("embedded"))
        feed.catch_up([BATCH], BATCH)
        feed.take({**BATCH, "_id": 8, "batch": 13})
        feed.take(report("idle", 9))
        telemetry.stop()
    assert received.refused == []
    (root,) = received.roots()
    assert attributes(root.attributes)["tandem.batch"] == 13
    assert root.start_time_unix_nano == 1_700_000_000_000 * MS
    assert root.end_time_unix_nano == 1_700_000_000_320 * MS
    trace = received.trace(root)
    assert len(trace) == 10
    (written,) = trace["write documents"]
    assert written.start_time_unix_nano == 1_700_000_000_235 * MS
    assert attributes(written.attributes)["db.collection.name"] == "facts"
    assert received.resources[0].items() >= {"service.name": "shop", "deployment.environment.name": "embedded"}.items()
    assert {header["api-key"] for header in received.headers} == {"secret"}


@pytest.mark.usefixtures("_variables")
def test_the_metrics_are_those_of_prometheus() -> None:
    declaration, state = declared(find("orders_payments", Path("pipelines"))), PipelineState()
    state.mongo.now(True)
    state.progress = {"event": "batch", "at": DatetimeMS(0), "late_total": 4, "batch": 3}
    state.dead["orders_topic_data_v1", "not_json"] = 2
    measured = registry(lambda: [(state, declaration)])
    with receiver() as (address, received):
        telemetry = Telemetry(sending(otlp_endpoint=address, traces=False))
        telemetry.send_metrics(measured)
        # The last values are sent at the end.
        telemetry.stop()
    assert received.refused == []
    served = {family.name for family in measured.collect() if family.samples}
    assert set(received.metrics) == served
    late = received.metrics["tandem_job_late_records"]
    assert [point.as_double for point in late.sum.data_points] == [4]
    (dead,) = received.metrics["tandem_dead_letters"].sum.data_points
    assert attributes(dead.attributes) == {
        "pipeline": "orders_payments", "topic": "orders_topic_data_v1", "error": "not_json",
    }  # fmt: skip
    assert received.metrics["tandem_job_batch"].gauge.data_points[0].as_double == 3


@pytest.mark.usefixtures("_variables")
def test_lineage_events_name_job_run_topics_and_collections() -> None:
    os.environ["OPENLINEAGE_API_KEY"] = "secret"
    with receiver() as (address, received):
        telemetry = Telemetry(sending(openlineage_url=address, openlineage_namespace="shop"))
        feed = telemetry.feed(load("embedded", {"telemetry": {"openlineage_namespace": "shop"}}))
        feed.take(report("started", 1_700_000_000_000))
        feed.take(report("failed", 1_700_000_001_000, error="records are gone"))
        telemetry.stop()
    assert received.refused == []
    start, fail = received.events
    assert start["producer"] == f"urn:tandem-streams:{__version__}"
    assert [event["eventType"] for event in received.events] == ["START", "FAIL"]
    assert start["eventTime"] == "2023-11-14T22:13:20.000+00:00"
    assert (start["job"]["namespace"], start["job"]["name"]) == ("shop", "orders_payments")
    assert start["job"]["facets"]["jobType"]["processingType"] == "STREAMING"
    assert "sourceCodeLocation" not in start["job"]["facets"]
    assert start["run"]["runId"] == fail["run"]["runId"] == "00000000-0000-0000-0000-000000000001"
    assert start["run"]["facets"]["processing_engine"]["version"] == "4.2.0"
    assert fail["run"]["facets"]["errorMessage"]["message"] == "records are gone"
    assert [each["name"] for each in start["inputs"]] == ["orders_topic_data_v1", "payments_topic_data_v1"]
    assert [each["name"] for each in start["outputs"]] == [
        "ecommerce_mart.orders_data_process_fact",
        "ecommerce_mart.orders_data_process_unmatched",
        "orders_payments_dead_letter_v1",
    ]
    assert {header["Authorization"] for header in received.headers} == {"Bearer secret"}


@pytest.mark.parametrize(
    "change",
    [
        {"eventType": "STARTED"},
        {"run": {"runId": "no uuid"}},
        {"job": {"namespace": "a"}},
        {"inputs": [{"namespace": "kafka://a:1", "name": "t", "more": 1}]},
        {"eventTime": "yesterday"},
    ],
)
def test_an_event_that_is_not_openlineage_is_refused(change: dict[str, Any]) -> None:
    event = {
        "eventType": "START",
        "eventTime": "2026-11-29T10:00:00Z",
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "00000000-0000-0000-0000-000000000001"},
        "job": {"namespace": "a", "name": "b"},
        "inputs": [],
        "outputs": [],
    }
    received = Received()
    received.take("/api/v1/lineage", "application/json", json.dumps(event).encode())
    with pytest.raises((AssertionError, KeyError, TypeError, ValueError)):
        received.take("/api/v1/lineage", "application/json", json.dumps({**event, **change}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": b""},
        {"span_id": bytes(8)},
        {"name": ""},
        {"end_time_unix_nano": 1},
    ],
)
def test_a_span_that_is_not_opentelemetry_is_refused(change: dict[str, Any]) -> None:
    span = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "name": "batch", "start_time_unix_nano": 2}

    def sent(**fields: Any) -> bytes:
        scope = ScopeSpans(scope=InstrumentationScope(name="tandem"), spans=[Span(**fields)])
        names = {"service.name": "tandem", "telemetry.sdk.language": "python"}
        attributes = [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in names.items()]
        resource = ResourceSpans(resource=Resource(attributes=attributes), scope_spans=[scope])
        return ExportTraceServiceRequest(resource_spans=[resource]).SerializeToString()

    received, good = Received(), {**span, "end_time_unix_nano": 3}
    received.take("/v1/traces", PROTOBUF, sent(**good))
    with pytest.raises(AssertionError):
        received.take("/v1/traces", PROTOBUF, sent(**{**good, **change}))


@pytest.mark.parametrize("away", [False, True])
def test_a_dashboard_that_is_stopped_sends_what_waits_and_ends(free_port: int, away: bool) -> None:
    """Its last metrics, which are the only ones here; also if the collector no longer answers."""
    with receiver() as (address, received):
        received.status = 503 if away else None
        own = {
            "TANDEM_PROFILE": "embedded",
            "TANDEM_TELEMETRY__METRICS_SECONDS": "3600",
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "TANDEM_MONGO__PORT": str(NOWHERE["mongo"]["port"]),
            "TANDEM_KAFKA__PORT": str(NOWHERE["kafka"]["port"]),
        }
        command = [sys.executable, "-m", "tandem.dashboard", "--listen", f"127.0.0.1:{free_port}"]
        with subprocess.Popen(command, env={**os.environ, **own}, stderr=subprocess.DEVNULL) as dashboard:
            wait_until(lambda: answers(f"http://127.0.0.1:{free_port}/health"))
            dashboard.terminate()
            dashboard.wait(timeout=60)
    assert received.refused == []
    assert received.headers
    assert ("tandem_job_up" in received.metrics) is not away


# What must not disturb


@pytest.mark.usefixtures("_variables")
def test_a_server_that_is_away_is_logged_once(free_port: int, caplog: pytest.LogCaptureFixture) -> None:
    declaration = declared(find("orders_payments", Path("pipelines")))
    address = f"http://127.0.0.1:{free_port}"
    with capture_logs() as said:
        telemetry = Telemetry(sending(otlp_endpoint=address, openlineage_url=address, metrics_seconds=0.05))
        telemetry.send_metrics(registry(lambda: [(PipelineState(), declaration)]))
        feed = telemetry.feed(load("embedded"))
        # More than the queues hold.
        for number in range(300):
            feed.take(report("batch", number * 60_000))
        wait_until(lambda: len({each["event"] for each in said}) == 3)
        telemetry.stop()
    warnings = sorted(each["event"].partition(" cannot")[0] for each in said if each["log_level"] == "warning")
    assert warnings == ["lineage events", "metrics", "traces"]
    assert [each for each in said if each["log_level"] == "error"] == []
    # The libraries log nothing by themselves.
    assert caplog.records == []


@pytest.mark.usefixtures("_variables")
def test_what_is_sent_again_is_logged_once() -> None:
    with capture_logs() as said:
        delivery = DeliveryLog("traces", "http://collector:4318")
        for _ in range(2):
            delivery.failed("no answer")
        for _ in range(2):
            delivery.succeeded()
        delivery.failed("again")
    assert [(each["log_level"], each["event"]) for each in said] == [
        ("warning", "traces cannot be sent; the job is not affected"),
        ("info", "traces can be sent again"),
        ("warning", "traces cannot be sent; the job is not affected"),
    ]


@pytest.mark.usefixtures("_variables")
def test_a_collector_that_refuses_is_named_with_its_answer() -> None:
    with receiver() as (address, received), capture_logs() as said:
        received.status = 401
        telemetry = Telemetry(sending(otlp_endpoint=address, metrics=False))
        telemetry.feed(load("embedded")).take(BATCH)
        telemetry.stop()
    (warning,) = said
    assert warning["to"] == address
    assert "401" in warning["reason"]


@pytest.mark.usefixtures("_variables")
def test_missing_packages_are_logged_and_the_dashboard_works() -> None:
    absent = {"opentelemetry": None, "tandem.dashboard.telemetry.otlp": None}
    with patch.dict(sys.modules, absent), capture_logs() as said:
        telemetry = Telemetry(sending(otlp_endpoint="http://127.0.0.1:1"))
        telemetry.send_metrics(registry(list))
        telemetry.feed(load("embedded")).take(BATCH)
        telemetry.stop()
    assert [each["event"] for each in said] == [
        "traces cannot be sent: packages are missing",
        "metrics cannot be sent: packages are missing",
    ]
    assert said[0]["hint"] == install_hint("telemetry")


@pytest.mark.usefixtures("_variables")
def test_a_report_that_cannot_be_read_does_not_stop_the_dashboard() -> None:
    with receiver() as (address, received), capture_logs() as said:
        telemetry = Telemetry(sending(otlp_endpoint=address, openlineage_url=address, metrics=False))
        feed = telemetry.feed(load("embedded"))
        feed.take({"_id": 1, "event": "batch"})
        feed.take(BATCH)
        telemetry.stop()
    assert any("the sending of telemetry failed" in each["event"] for each in said)
    assert len(received.roots()) == 1


@pytest.mark.parametrize(
    ("given", "imports"), [({}, False), ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True)]
)
def test_without_an_address_no_library_is_imported(given: dict[str, str], imports: bool) -> None:
    """The twin with an address shows that the test would find them."""
    program = (
        "import sys, tandem.dashboard.__main__ as main; from tandem.settings.load import load\n"
        "from tandem.dashboard.pages import Pages\n"
        "Pages(lambda: [load('embedded')])\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'openlineage'))] != [])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENLINEAGE"))}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**environment, **given}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(imports)


# Settings


@pytest.mark.usefixtures("_variables")
def test_the_libraries_variables_are_settings_and_tandems_own_win(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("embedded").telemetry.otlp_endpoint is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318")
    monkeypatch.setenv("OPENLINEAGE_URL", "http://b:5000")
    loaded = read_settings("embedded")
    assert loaded.origins["telemetry.otlp_endpoint"] == "OTEL_EXPORTER_OTLP_ENDPOINT"
    assert loaded.settings.telemetry.openlineage_url == "http://b:5000"
    monkeypatch.setenv("TANDEM_TELEMETRY__OTLP_ENDPOINT", "http://c:4318")
    assert load("embedded").telemetry.otlp_endpoint == "http://c:4318"


@pytest.mark.usefixtures("_variables")
@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OPENLINEAGE_URL"])
@pytest.mark.parametrize("address", ["https://user:secret@collector", "collector:4317", "http://", "unix:/run/otel"])
def test_an_address_of_other_programs_that_cannot_be_used_is_ignored(
    name: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, address)
    settings = load("embedded")
    assert (settings.telemetry.otlp_endpoint, settings.telemetry.openlineage_url) == (None, None)
    with capture_logs() as said:
        Telemetry(settings).stop()
    (warning,) = said
    assert warning["event"].startswith(f"{name} is not used: it is no address")
    assert "secret" not in str(warning)


@pytest.mark.usefixtures("_variables")
@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"])
def test_an_address_for_one_signal_alone_sends_nothing_and_the_doctor_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def answer() -> str:
        settings = load("embedded", {"state_dir": tmp_path, "cache_dir": tmp_path})
        return next(each.value for each in doctor.examine(settings, running=False) if each.check == name)

    monkeypatch.setattr(doctor, "_own_checks", lambda _: lambda *_: {})
    monkeypatch.setenv(name, "http://a:4318/v1")
    assert answer() == "not used: nothing is sent without telemetry.otlp_endpoint"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318")
    assert answer() == "used"


def test_an_address_that_is_used_is_not_warned_of() -> None:
    used = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318", "OPENLINEAGE_URL": ""}
    assert unused_addresses("http://a:4318", None, used) == {}


@pytest.mark.parametrize("address", ["https://user:secret@collector", "collector:4317", "http://"])
def test_an_address_with_a_login_or_without_a_scheme_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        sending(otlp_endpoint=address)
    assert "secret" not in str(caught.value)
