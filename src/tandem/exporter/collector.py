"""Collects the services' metrics at each scrape."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)


class MetricSource(Protocol):
    """A service with metrics.

    Attributes:
        errors: what ``read`` raises if the service does not answer.
    """

    errors: tuple[type[Exception], ...]

    def read(self) -> list[Metric]:
        """Returns all metrics of the service."""


class Services(Collector):
    """Reads every service, and reports whether it answers.

    A service that does not answer does not hide the others' metrics.

    Args:
        sources: the services by name.
    """

    def __init__(self, sources: Mapping[str, MetricSource]) -> None:
        self._sources = sources
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of every service that answers."""
        answers = GaugeMetricFamily("tandem_exporter_up", "Whether a service gives its metrics.", labels=["service"])
        # Two scrapes at the same time would share a client.
        with self._lock:
            for name, source in self._sources.items():
                try:
                    yield from source.read()
                except source.errors as error:
                    log.warning("no metrics", service=name, error=type(error).__name__)
                    answers.add_metric([name], 0)
                else:
                    answers.add_metric([name], 1)
        yield answers


def registry(sources: Mapping[str, MetricSource]) -> CollectorRegistry:
    """Returns a registry with the metrics of the services.

    Args:
        sources: the services by name.
    """
    result = CollectorRegistry(auto_describe=False)
    result.register(Services(sources))
    return result
