"""Starts what sends traces, metrics and lineage, and passes reports to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import structlog
from prometheus_client import CollectorRegistry

from tandem.catalog import declared_by
from tandem.dashboard.background import ErrorLog
from tandem.dashboard.telemetry.report_feed import Follower, Report, ReportFeed
from tandem.errors import install_hint
from tandem.foreign.inheritance import pass_to_libraries
from tandem.foreign.telemetry_variables import unused_addresses
from tandem.settings.model import Settings

if TYPE_CHECKING:
    from tandem.dashboard.telemetry.lineage import LineageSender
    from tandem.dashboard.telemetry.traces import Traces

# How long the dashboard waits at its end for what is not yet sent.
_END_S = 2.0
_log = structlog.get_logger(__name__)


class _Sender(Protocol):
    def stop(self) -> None: ...


class Telemetry:
    """Sends traces, metrics and lineage.

    It imports a library only if there is an address for it.

    Args:
        settings: the environment's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._errors = settings, ErrorLog("the sending of telemetry")
        self._senders: list[_Sender] = []
        self._traces: Traces | None = None
        self._lineage: LineageSender | None = None
        given = settings.telemetry
        for name, reason in unused_addresses(given.otlp_endpoint, given.openlineage_url).items():
            _log.warning(f"{name} is {reason}", hint="see docs/guides/telemetry.md")
        # The libraries read headers, keys and more from variables, and the address from these.
        if given.otlp_endpoint:
            pass_to_libraries(OTEL_EXPORTER_OTLP_ENDPOINT=given.otlp_endpoint)
            if given.traces:
                self._start("traces", self._start_traces)
        if given.openlineage_url:
            pass_to_libraries(OPENLINEAGE_URL=given.openlineage_url)
            self._start("lineage", self._start_lineage)

    def send_metrics(self, registry: CollectorRegistry) -> None:
        """Starts to send the dashboard's metrics."""

        def start() -> None:
            from tandem.dashboard.telemetry.otlp import send_metrics

            self._senders.append(send_metrics(self._settings, registry))

        if self._settings.telemetry.otlp_endpoint and self._settings.telemetry.metrics:
            self._start("metrics", start)

    def feed(self, settings: Settings) -> ReportFeed:
        """Returns what takes the reports of a pipeline's job; it never raises.

        Args:
            settings: the pipeline's settings.

        Raises:
            UsageError: the pipeline's declaration is wrong.
        """
        followers: list[Follower] = [self._traces.take] if self._traces else []
        if self._lineage:
            from tandem.dashboard.telemetry.datasets import datasets_of
            from tandem.dashboard.telemetry.lineage import Lineage

            namespace = settings.telemetry.openlineage_namespace or settings.environment
            datasets = datasets_of(settings, declared_by(settings.location))
            followers.append(Lineage(namespace, settings.pipeline, datasets, self._lineage).take)

        def follow(report: Report, known: bool) -> None:
            for take in followers:
                try:
                    take(report, known)
                except Exception as error:  # the page must not depend on it
                    self._errors.log(error)

        return ReportFeed(follow)

    def stop(self) -> None:
        """Sends what waits, for two seconds at most."""
        threads = [threading.Thread(target=sender.stop, daemon=True) for sender in self._senders]
        for thread in threads:
            thread.start()
        end = time.monotonic() + _END_S
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _start_traces(self) -> None:
        from tandem.dashboard.telemetry.otlp import send_traces

        self._traces = send_traces(self._settings)
        self._senders.append(self._traces)

    def _start_lineage(self) -> None:
        from tandem.dashboard.telemetry.lineage import send_lineage

        self._lineage = send_lineage(self._settings)
        self._senders.append(self._lineage)

    def _start(self, what: str, start: Callable[[], None]) -> None:
        try:
            start()
        except ImportError as error:
            _log.warning(
                f"{what} cannot be sent: packages are missing", missing=error.name, hint=install_hint("telemetry")
            )
        except Exception as error:  # a wrong variable of a library must not stop the dashboard
            _log.warning(f"{what} cannot be sent", reason=f"{type(error).__name__}: {error}"[:200])
