"""Sends a trace of each batch by OTLP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, set_span_in_context

from tandem import __version__
from tandem.dashboard.telemetry.batch_trace import BatchSpan, trace_of
from tandem.dashboard.telemetry.delivery_log import DeliveryLog

_NS_PER_MS = 1_000_000


class Traces:
    """Sends spans in a thread of its own; its queue is bounded.

    Args:
        resource: the service.
        delivery: logs whether the collector accepts them.
    """

    def __init__(self, resource: Resource, delivery: DeliveryLog) -> None:
        # At the exit, the caller decides how long to wait.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(_LoggedExporter(delivery))
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("tandem", __version__)

    def take(self, report: Mapping[str, Any], known: bool) -> None:
        """Sends the trace of a batch; see ``ReportFeed``."""
        if report["event"] == "batch" and not known and (trace := trace_of(report)):
            self._send(trace, Context(), SpanKind.CONSUMER)

    def stop(self) -> None:
        """Sends what waits."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _send(self, batch: BatchSpan, parent: Context, kind: SpanKind) -> None:
        span = self._tracer.start_span(
            batch.name, parent, kind, dict(batch.attributes), start_time=batch.begin_ms * _NS_PER_MS
        )
        for child in batch.children:
            self._send(child, set_span_in_context(span, parent), SpanKind.INTERNAL)
        span.end(batch.end_ms * _NS_PER_MS)


class _LoggedExporter(SpanExporter):
    def __init__(self, delivery: DeliveryLog) -> None:
        self._exporter, self._delivery = OTLPSpanExporter(), delivery

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends spans; the exporter logs why it fails."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._delivery.succeeded()
        return result

    def shutdown(self) -> None:
        """Gives up what is not yet sent."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
