"""What was submitted of a pipeline, to a cluster or as a serverless batch: Dataproc knows it, nothing else keeps it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from tandem.errors import EnvironmentNotReadyError
from tandem.job_files import STREAM
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.release import Release
from tandem.platforms.dataproc.requests import (
    ENTRY_LABEL,
    LABEL,
    RELEASE_LABEL,
    jobs_filter,
    label_of,
    stop_object,
)
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for

# By the names of jobs and of batches. A job that waits for its driver to be started again is starting.
_STATES = {
    "PENDING": "starting",
    "SETUP_DONE": "starting",
    "ATTEMPT_FAILURE": "starting",
    "RUNNING": "running",
    "CANCEL_PENDING": "stopping",
    "CANCEL_STARTED": "stopping",
    "CANCELLING": "stopping",
    "CANCELLED": "stopped",
    "DONE": "stopped",
    "SUCCEEDED": "stopped",
    "ERROR": "failed",
    "FAILED": "failed",
}
# A batch that has begun is finished first; a very long one is done again by the next driver.
STOP_DEADLINE_S = 300.0
_CANCEL_DEADLINE_S = 120.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Run:
    """One submitted job or serverless batch.

    Attributes:
        id: Dataproc's.
        state: ``starting``, ``running``, ``stopping``, ``stopped`` or ``failed``.
        since: since when it is in this state.
        release: the digest of what was submitted.
        entry: which file of the pipeline it runs.
        pipeline: the label's value by which those of a pipeline are found.
        details: what Dataproc says about the state; it may be empty.
        output: the URI with which the names of the objects begin that hold what its driver printed.
        cancelled: whether somebody ended it.
    """

    id: str
    state: str
    since: datetime | None
    release: str
    entry: str
    pipeline: str
    details: str
    output: str
    cancelled: bool = False

    @property
    def active(self) -> bool:
        """Whether it uses the checkpoint, or may."""
        return self.state in ("starting", "running", "stopping")


def run_of(name: str, labels: Any, state: str, since: datetime | None, details: str, output: str) -> Run:
    """Returns what Dataproc tells of a job or a batch.

    Args:
        name: its id.
        labels: those that it was submitted with.
        state: by the name that Dataproc has for it.
        since: since when.
        details: what is said about that.
        output: where its driver's output is.
    """
    return Run(
        id=name,
        state=_STATES.get(state, "starting"),
        since=since or None,
        release=labels.get(RELEASE_LABEL, ""),
        entry=labels.get(ENTRY_LABEL, ""),
        pipeline=labels.get(LABEL, ""),
        details=" ".join(details.split())[:300],
        output=output,
        cancelled=state == "CANCELLED",
    )


class Runs(ABC):
    """The runs of a profile's pipeline in one of Dataproc's two services.

    Args:
        settings: which.
        client: the service's, of Google's library.
        bucket: where a job looks whether it is to stop.
    """

    def __init__(self, settings: Settings, client: Any, bucket: Bucket) -> None:
        self._settings, self._client, self._bucket = settings, client, bucket
        self._pace_s = 0.5 if settings.gcp.credentials == "none" else 3.0

    @abstractmethod
    def get(self, name: str) -> Run:
        """Returns a run as it is now."""

    @abstractmethod
    def submit(self, release: Release, predecessor: str | None) -> Run:
        """Returns the submitted run; what was uploaded, and the cluster if it needs one, are there."""

    @abstractmethod
    def _all(self, wanted: str) -> Iterable[Run]:
        """Returns all runs that the service knows and a filter wants; all when that is empty."""

    @abstractmethod
    def cancel(self, run: Run) -> None:
        """Has a run ended at once."""

    @abstractmethod
    def _kill_hint(self, run: Run) -> str:
        """Returns what a person types to end a run."""

    def others_on_cluster(self) -> list[str]:
        """Returns the ids of the active jobs that would end with the cluster; none where there is no cluster."""
        return []

    def newest(self, entry: str = STREAM) -> Run | None:
        """Returns the run that was submitted last, also when it has ended; an active one comes first.

        Args:
            entry: which file of the pipeline it runs.
        """
        wanted = (label_of(self._settings), entry)
        runs = [run for run in self._all(jobs_filter(self._settings)) if (run.pipeline, run.entry) == wanted]
        return max(runs, key=lambda run: (run.active, run.since is not None and run.since.timestamp()), default=None)

    def active_streams(self) -> list[Run]:
        """Returns the streams of all pipelines that use their checkpoints, or may."""
        return [run for run in self._all("") if run.active and run.pipeline and run.entry == STREAM]

    def stop(self, run: Run) -> None:
        """Returns when a run has ended: by itself after its batch, or cancelled when that takes too long."""
        mark = stop_object(self._settings, run.id)
        self._bucket.put(mark)
        try:
            self.await_end(run, STOP_DEADLINE_S)
        except EnvironmentNotReadyError:
            _log.warning("the job did not stop when asked to and is cancelled", job=run.id)
            call(f"cancelling the job {run.id}", lambda: self.cancel(run))
            self.await_end(run, _CANCEL_DEADLINE_S)
        self._bucket.remove(mark)

    def await_end(self, run: Run, deadline_s: float) -> Run:
        """Returns a run once it has ended.

        Raises:
            EnvironmentNotReadyError: it did not within so many seconds.
        """

        def probe() -> Run:
            now = self.get(run.id)
            if now.active:
                raise NotYetError(f"it is {now.state}")
            return now

        return wait_for(
            f"the job {run.id} to end",
            probe,
            deadline_s=deadline_s,
            hint=self._kill_hint(run),
            interval_s=self._pace_s,
        )
