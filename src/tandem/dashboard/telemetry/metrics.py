"""Sends by OTLP the metrics that the dashboard serves to Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family

from tandem import __version__
from tandem.dashboard.background import ErrorLog
from tandem.dashboard.telemetry.delivery_log import DeliveryLog


class Metrics:
    """Sends all metrics at an interval, in a thread of its own.

    Args:
        resource: the service.
        registry: the dashboard's metrics.
        interval_s: the interval in seconds.
        delivery: logs whether the collector accepts them.
    """

    def __init__(
        self, resource: Resource, registry: CollectorRegistry, interval_s: float, delivery: DeliveryLog
    ) -> None:
        self._resource, self._registry, self._interval_s = resource, registry, interval_s
        self._began_ns, self._exporter = time.time_ns(), OTLPMetricExporter()
        self._delivery, self._errors = delivery, ErrorLog("the sending of metrics")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Sends the last values."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._send()
        self._send()

    def _send(self) -> None:
        try:
            metrics = list(metrics_of(self._registry.collect(), self._began_ns, time.time_ns()))
            scope = ScopeMetrics(InstrumentationScope("tandem", __version__), metrics, "")
            data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
            # The exporter logs why it fails.
            if self._exporter.export(data) is MetricExportResult.SUCCESS:
                self._delivery.succeeded()
        except Exception as error:  # the next values may get through
            self._errors.log(error)


def metrics_of(families: Iterable[Family], began_ns: int, now_ns: int) -> Iterator[Metric]:
    """Yields the counters and gauges that have values.

    Args:
        families: Prometheus's metrics.
        began_ns: since when the counters are counted, in nanoseconds since 1970.
        now_ns: the time of their values.
    """
    for family in families:
        counts = family.type == "counter"
        points = [
            NumberDataPoint(dict(sample.labels), began_ns if counts else 0, now_ns, float(sample.value))
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]
        if not points or family.type not in ("counter", "gauge"):
            continue
        cumulative = AggregationTemporality.CUMULATIVE
        data = Sum(points, cumulative, is_monotonic=True) if counts else Gauge(points)
        yield Metric(family.name, family.documentation, "", data)
