"""Starts to send traces and metrics by OTLP over HTTP."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http import metric_exporter, trace_exporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from prometheus_client import CollectorRegistry

from tandem.dashboard.telemetry.delivery_log import DeliveryLog, FailureHandler
from tandem.dashboard.telemetry.metrics import Metrics
from tandem.dashboard.telemetry.traces import Traces
from tandem.settings.model import Settings


def send_traces(settings: Settings) -> Traces:
    """Starts to send traces."""
    delivery = DeliveryLog("traces", str(settings.telemetry.otlp_endpoint))
    # Other parts of the library warn of a full queue.
    for library in ("opentelemetry", trace_exporter.__name__):
        FailureHandler(delivery).take(library)
    return Traces(_resource(settings), delivery)


def send_metrics(settings: Settings, registry: CollectorRegistry) -> Metrics:
    """Starts to send metrics."""
    delivery = DeliveryLog("metrics", str(settings.telemetry.otlp_endpoint))
    FailureHandler(delivery).take(metric_exporter.__name__)
    return Metrics(_resource(settings), registry, settings.telemetry.metrics_seconds, delivery)


def _resource(settings: Settings) -> Resource:
    """Returns the service; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    own = {"service.name": settings.environment, "deployment.environment.name": settings.profile}
    return Resource.create(own).merge(OTELResourceDetector().detect())
