"""Sends OpenLineage events: the job, its topics and its collections."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, set_producer
from openlineage.client.event_v2 import RunState as EventType
from openlineage.client.facet_v2 import JobFacet, RunFacet, error_message_run, job_type_job, processing_engine_run

from tandem import __version__
from tandem.dashboard.telemetry.datasets import Datasets
from tandem.dashboard.telemetry.delivery_log import DeliveryLog, FailureHandler
from tandem.dashboard.telemetry.run_states import RunChange, RunState, RunStates
from tandem.settings.model import Settings

_PRODUCER = f"https://pypi.org/project/tandem-streams/{__version__}/"
# Without an answer from the server, later events are dropped.
_QUEUE = 100
# The client would send the address of the Git repository in the current folder, which may hold a login.
_CONFIG = {"facets": {"source_code_location": {"disabled": True}}}


def send_lineage(settings: Settings) -> LineageSender:
    """Starts to send events."""
    delivery = DeliveryLog("lineage events", str(settings.telemetry.openlineage_url))
    # The second one logs each retry.
    for library in ("openlineage", "urllib3"):
        FailureHandler(delivery).take(library)
    set_producer(_PRODUCER)
    return LineageSender(delivery)


class LineageSender:
    """Sends events in a thread of its own; its queue is bounded.

    Args:
        delivery: logs whether the server accepts them.
    """

    def __init__(self, delivery: DeliveryLog) -> None:
        self._client, self._delivery = OpenLineageClient(config=_CONFIG), delivery
        self._queue: queue.Queue[RunEvent | None] = queue.Queue(_QUEUE)
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="lineage", daemon=True)
        self._thread.start()

    def send(self, event: RunEvent) -> None:
        """Queues an event; drops it if the queue is full."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._delivery.failed("the queue is full")

    def stop(self) -> None:
        """Sends what waits, until the server does not accept an event."""
        self._ends = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._client.emit(event)
                self._delivery.succeeded()
            except Exception as error:  # the next event may get through
                self._delivery.failed(f"{type(error).__name__}: {error}"[:200])
                if self._ends:
                    return


class Lineage:
    """Makes the events of one pipeline's job.

    Each event has all datasets, so that a server that missed one knows them from the next.

    Args:
        namespace: the job's namespace.
        pipeline: the pipeline, which is the job's name.
        datasets: what the job reads and writes.
        sender: sends the events.
    """

    def __init__(self, namespace: str, pipeline: str, datasets: Datasets, sender: LineageSender) -> None:
        self._namespace, self._pipeline, self._datasets = namespace, pipeline, datasets
        self._states, self._sender = RunStates(), sender

    def take(self, report: Mapping[str, Any], _known: bool) -> None:
        """Sends the changes that a report tells; see ``RunStates.of``."""
        for change in self._states.of(report):
            self._sender.send(self._event(change))

    def _event(self, change: RunChange) -> RunEvent:
        kind = job_type_job.JobTypeJobFacet("STREAMING", "TANDEM", "JOB")
        job_facets: dict[str, JobFacet] = {"jobType": kind}
        engine = processing_engine_run.ProcessingEngineRunFacet(change.spark, "spark")
        facets: dict[str, RunFacet] = {"processing_engine": engine}
        if change.state is RunState.FAIL:
            reason = change.error or "the job gave no reason"
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(reason, "PYTHON")
        return RunEvent(
            eventType=EventType(change.state),
            eventTime=datetime.fromtimestamp(change.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
            run=Run(str(change.run), facets),
            job=Job(self._namespace, self._pipeline, job_facets),
            inputs=list(self._datasets.inputs),
            outputs=list(self._datasets.outputs),
        )
