"""Serves the page's numbers to Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tandem.dashboard.declaration import ShownPipeline
from tandem.dashboard.snapshot import snapshot
from tandem.dashboard.state import PipelineState

Watched = Iterable[tuple[PipelineState, ShownPipeline]]


class _Pipeline(Collector):
    def __init__(self, state: PipelineState, declaration: ShownPipeline) -> None:
        self._state, self._declaration = state, declaration

    def collect(self) -> Iterator[Metric]:
        """Yields every metric whose value is known."""
        now = snapshot(self._state, self._declaration)
        job, labels = now["job"], [self._declaration.name]
        for name, link in now["links"].items():
            yield _gauge(f"tandem_{name}_up", f"Whether {name} answers.", labels, int(bool(link["up"])))
        yield _gauge("tandem_job_up", "Whether the job runs and reports.", labels, int(job["state"] == "running"))
        gauges = {
            "batch": "The number of the last committed batch.",
            "lag": "Records that the job has not committed.",
            "state_events": "About how many events wait in the job's state, by their event times.",
            "state_bytes": "Memory of the job's state.",
        }
        for field, text in gauges.items():
            yield _gauge(f"tandem_job_{field}", text, labels, job[field])
        watermark = None if job["watermark"] is None else job["watermark"] / 1000
        yield _gauge("tandem_job_watermark_seconds", "The watermark, in seconds since 1970.", labels, watermark)
        yield _counter("tandem_job_records", "Records that the job has committed.", labels, job["rows_total"])
        yield _counter("tandem_job_late_records", "Records that arrived late.", labels, job["late"])
        yield _counter("tandem_job_rejected_records", "Records that the job rejected.", labels, job["rejected"])
        yield _counter("tandem_job_starts", "Drivers that the dashboard has seen.", labels, self._state.starts)
        for quantity in ("p50", "p99"):
            text = f"Seconds from event to document, {quantity} of the last minute."
            yield _gauge(f"tandem_latency_{quantity}_seconds", text, labels, now["results"][quantity])
        if account := now["account"]:
            yield _gauge("tandem_results", "Result documents of the pipeline.", labels, account["results"])
            yield _gauge("tandem_leftovers", "Documents of unmatched events.", labels, account["leftovers"])
        yield self._topics(now)
        yield self._dead()
        if phases := now["batches"][-1:]:
            yield _gauge("tandem_job_batch_records", "Records of the last batch.", labels, phases[0]["rows"])
            yield self._phases(phases[0]["phases"])

    def _topics(self, now: dict[str, Any]) -> Metric:
        family = CounterMetricFamily("tandem_topic_records", "Records in a topic.", labels=["pipeline", "topic"])
        for topic in now["topics"]:
            if topic["records"] is not None:
                family.add_metric([self._declaration.name, topic["topic"]], topic["records"])
        return family

    def _dead(self) -> Metric:
        family = CounterMetricFamily("tandem_dead_letters", "Refused records.", labels=["pipeline", "topic", "error"])
        with self._state.lock:
            for (topic, error), number in self._state.dead.items():
                family.add_metric([self._declaration.name, topic, error], number)
        return family

    def _phases(self, phases: dict[str, int]) -> Metric:
        text = "Duration of the last batch's phases."
        family = GaugeMetricFamily("tandem_job_batch_phase_seconds", text, labels=["pipeline", "phase"])
        for phase, ms in phases.items():
            family.add_metric([self._declaration.name, phase], ms / 1000)
        return family


class _All(Collector):
    def __init__(self, watched: Callable[[], Watched]) -> None:
        self._watched = watched

    def collect(self) -> Iterable[Metric]:
        """Returns every metric once, with the values of all pipelines."""
        families: dict[str, Metric] = {}
        for state, declaration in self._watched():
            for metric in _Pipeline(state, declaration).collect():
                if metric.name in families:
                    families[metric.name].samples.extend(metric.samples)
                else:
                    families[metric.name] = metric
        return families.values()


def registry(watched: Callable[[], Watched]) -> CollectorRegistry:
    """Returns the registry of all metrics.

    Args:
        watched: returns each pipeline's state and declaration.
    """
    result = CollectorRegistry(auto_describe=False)
    result.register(_All(watched))
    return result


def _gauge(name: str, text: str, labels: list[str], value: float | None) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["pipeline"])
    if value is not None:
        family.add_metric(labels, value)
    return family


def _counter(name: str, text: str, labels: list[str], value: float | None) -> Metric:
    family = CounterMetricFamily(name, text, labels=["pipeline"])
    if value is not None:
        family.add_metric(labels, value)
    return family
