"""A collector and a lineage server that refuse what does not follow the protocol."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openlineage.client import event_v2
from openlineage.client.generated.base import EventType
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from tests.dashboard import wait_until

PROTOBUF = "application/x-protobuf"


def attributes(found: Any) -> dict[str, Any]:
    """Returns attributes by their names."""
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in found}


@dataclass
class Received:
    """What was sent, and what of it was refused.

    A batch's spans may come in several requests, so call ``trace`` when all are there.
    """

    spans: list[Any] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    # The answer to everything, to be a server in trouble.
    status: int | None = None

    def trace(self, root: Any) -> dict[str, list[Any]]:
        """Returns the spans of a root's trace by name; fails if one has no parent there, or is outside of it."""
        mine = [span for span in self.spans if span.trace_id == root.trace_id]
        by_id = {span.span_id: span for span in mine}
        assert len(by_id) == len(mine)
        found: dict[str, list[Any]] = {}
        for span in mine:
            found.setdefault(span.name, []).append(span)
            if span is not root:
                parent = by_id[span.parent_span_id]
                inside = parent.start_time_unix_nano <= span.start_time_unix_nano, span.end_time_unix_nano
                assert inside[0], (parent.name, span.name)
                assert inside[1] <= parent.end_time_unix_nano, (parent.name, span.name)
        return found

    def roots(self) -> list[Any]:
        """Returns the outermost span of each batch."""
        return [span for span in self.spans if not span.parent_span_id]

    def wait(self, condition: Callable[[], object]) -> None:
        """Waits for a condition, which fails if something was refused."""

        def fulfilled() -> bool:
            assert self.refused == []
            return bool(condition())

        wait_until(fulfilled)

    def take(self, path: str, kind: str, body: bytes) -> tuple[bytes, str]:
        """Returns the answer and its content type; raises if the request is not valid."""
        if path == "/api/v1/lineage":
            assert kind.startswith("application/json"), kind
            self.events.append(_event(json.loads(body)))
            return b"", "text/plain"
        assert kind == PROTOBUF, kind
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(_resource(resource.resource.attributes))
                for scope in resource.scope_spans:
                    assert scope.scope.name == "tandem"
                    self.spans += map(_span, scope.spans)
            return ExportTraceServiceResponse().SerializeToString(), PROTOBUF
        assert path == "/v1/metrics", path
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            self.resources.append(_resource(resource.resource.attributes))
            for scope in resource.scope_metrics:
                self.metrics |= {metric.name: _metric(metric) for metric in scope.metrics}
        return ExportMetricsServiceResponse().SerializeToString(), PROTOBUF


def _resource(found: Any) -> dict[str, Any]:
    resource = attributes(found)
    assert resource["service.name"]
    assert resource["telemetry.sdk.language"] == "python"
    return resource


def _unique(found: Any) -> None:
    names = [each.key for each in found]
    assert all(names)
    assert len(set(names)) == len(names), names


def _span(span: Any) -> Any:
    assert len(span.trace_id) == 16
    assert any(span.trace_id)
    assert len(span.span_id) == 8
    assert any(span.span_id)
    assert len(span.parent_span_id) in (0, 8)
    assert span.name
    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    _unique(span.attributes)
    return span


def _metric(metric: Any) -> Any:
    assert metric.name
    data = getattr(metric, metric.WhichOneof("data"))
    if metric.WhichOneof("data") == "sum":
        assert data.is_monotonic
        assert data.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert data.data_points
    for point in data.data_points:
        assert point.WhichOneof("value")
        assert point.start_time_unix_nano <= point.time_unix_nano
        _unique(point.attributes)
    return metric


def _event(sent: dict[str, Any]) -> dict[str, Any]:
    """Returns an event; raises unless the client's classes accept it, and no other fields."""
    assert sent["schemaURL"].startswith("https://openlineage.io/spec/2-")
    given = {name: value for name, value in sent.items() if name != "schemaURL"}
    event_v2.RunEvent(
        **{
            **given,
            "eventType": EventType(sent["eventType"]),
            "run": event_v2.Run(**sent["run"]),
            "job": event_v2.Job(**sent["job"]),
            "inputs": [event_v2.InputDataset(**each) for each in sent["inputs"]],
            "outputs": [event_v2.OutputDataset(**each) for each in sent["outputs"]],
        }
    )
    for part in (sent["run"], sent["job"], *sent["inputs"], *sent["outputs"]):
        for facet in part.get("facets", {}).values():
            assert facet["_producer"]
            assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")
    return sent


@contextmanager
def receiver(port: int = 0) -> Iterator[tuple[str, Received]]:
    """Yields the address of a server for both protocols, and what it receives."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.headers.append(dict(self.headers.items()))
            answer, kind, status = b"", "text/plain", received.status or 200
            if received.status is None:
                try:
                    plain = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
                    answer, kind = received.take(self.path, self.headers["Content-Type"], plain)
                except Exception as error:
                    received.refused.append(f"{self.path}: {error!r}")
                    status = 400
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
