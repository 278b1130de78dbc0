"""Traces, metrics and lineage of a real job, sent to servers that check the protocols."""

from __future__ import annotations

from typing import Any

from tandem.pipelines.orders_payments.streams import FACTS, UNMATCHED
from tests import STATE
from tests.environment import Environment
from tests.telemetry import attributes, receiver

PHASES = {"look for records", "write offsets", "get batch", "plan", "join and write", "commit"}


def records_of(root: Any) -> int:
    return int(attributes(root.attributes)["messaging.batch.message_count"])


def test_each_batch_is_a_trace_and_the_job_a_run_of_lineage() -> None:
    with receiver() as (address, received):
        extra = (
            ("OTEL_EXPORTER_OTLP_ENDPOINT", address),
            ("OPENLINEAGE_URL", address),
            ("TANDEM_TELEMETRY__METRICS_SECONDS", "1"),
            ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"),
        )
        environment = Environment(STATE / "telemetry", 29860, extra)
        with environment.started():
            # The dashboard watches.
            received.wait(lambda: "tandem_job_up" in received.metrics)
            environment.tandem("produce", "--count", "300")
            environment.wait("lag 0", environment.caught_up)
            total = environment.status()["job"]["input_rows_total"]
            received.wait(lambda: sum(map(records_of, received.roots())) == total)
            received.wait(lambda: received.metrics["tandem_job_records"].sum.data_points[0].as_double == total)
        received.wait(lambda: received.events[-1]["eventType"] == "COMPLETE")
    assert total > 300
    written: set[str] = set()
    for root in filter(records_of, received.roots()):
        trace = received.trace(root)
        assert set(trace) >= PHASES | {"batch", "read and join"}
        written |= {attributes(each.attributes)["db.collection.name"] for each in trace.get("write documents", ())}
        assert len(trace.get("append dead letters", ())) == (attributes(root.attributes)["tandem.dead_letters"] > 0)
    assert written == {FACTS.name, UNMATCHED.name}
    assert received.resources[0]["service.name"] == "tandem"
    assert received.events[0]["eventType"] in ("START", "RUNNING")
    assert len({event["run"]["runId"] for event in received.events}) == 1
    assert {each["namespace"] for each in received.events[0]["inputs"]} == {f"kafka://{environment.bootstrap}"}
    assert received.refused == []
