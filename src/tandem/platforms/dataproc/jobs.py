"""The pipeline's jobs on the cluster. Dataproc knows them all, so nothing about them is kept anywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.release import Release
from tandem.platforms.dataproc.requests import (
    ENTRY_LABEL,
    LABEL,
    RELEASE_LABEL,
    STREAM,
    jobs_filter,
    label_of,
    stop_object,
    submit_request,
)
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job, JobControllerClient

# By Dataproc's names. A job that waits for its driver to be started again is starting.
_STATES = {
    "PENDING": "starting",
    "SETUP_DONE": "starting",
    "ATTEMPT_FAILURE": "starting",
    "RUNNING": "running",
    "CANCEL_PENDING": "stopping",
    "CANCEL_STARTED": "stopping",
    "CANCELLED": "stopped",
    "DONE": "stopped",
    "ERROR": "failed",
}
# A batch that has begun is finished first; a very long one is done again by the next driver.
_STOP_DEADLINE_S = 300.0
_CANCEL_DEADLINE_S = 120.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Run:
    """One submitted job.

    Attributes:
        id: Dataproc's.
        state: ``starting``, ``running``, ``stopping``, ``stopped`` or ``failed``.
        since: since when it is in this state.
        release: the digest of what was submitted.
        details: what Dataproc says about the state; it may be empty.
        output: the URI with which the names of the objects begin that hold what its driver printed.
    """

    id: str
    state: str
    since: datetime | None
    release: str
    details: str
    output: str

    @property
    def active(self) -> bool:
        """Whether it uses the checkpoint, or may."""
        return self.state in ("starting", "running", "stopping")


class Jobs:
    """The jobs of a profile's pipeline.

    Args:
        settings: which.
        client: Google's.
        bucket: where a job looks whether it is to stop.
    """

    def __init__(self, settings: Settings, client: JobControllerClient, bucket: Bucket) -> None:
        self._settings, self._client, self._bucket = settings, client, bucket
        self._pace_s = 0.5 if settings.gcp.credentials == "none" else 3.0

    def newest(self, entry: str = STREAM) -> Run | None:
        """Returns the job that was submitted last, also when it has ended; an active one comes first.

        Args:
            entry: which file of the pipeline it runs.
        """
        google = self._settings.gcp
        # On whatever cluster: there is one checkpoint.
        request = {
            "project_id": google.project,
            "region": google.region,
            "filter": jobs_filter(self._settings),
        }
        found = call("listing the jobs", lambda: list(self._client.list_jobs(request=request, retry=None)))
        wanted = (label_of(self._settings), entry)
        runs = [_run(job) for job in found if (job.labels.get(LABEL), job.labels.get(ENTRY_LABEL)) == wanted]
        return max(runs, key=lambda run: (run.active, run.since is not None and run.since.timestamp()), default=None)

    def get(self, job: str) -> Run:
        """Returns a job as it is now."""
        google = self._settings.gcp
        found = call(
            f"looking at the job {job}",
            lambda: self._client.get_job(project_id=google.project, region=google.region, job_id=job, retry=None),
        )
        return _run(found)

    def submit(self, release: Release, predecessor: str | None) -> Run:
        """Returns the submitted job; what was uploaded and the cluster are there."""
        from google.api_core.exceptions import AlreadyExists

        request = submit_request(self._settings, release, predecessor)

        def send() -> Run:
            try:
                return _run(self._client.submit_job(request=request, retry=None))
            except AlreadyExists:  # by an attempt whose answer was lost
                return self.get(request.job.reference.job_id)

        return call("submitting the job", send)

    def stop(self, run: Run) -> None:
        """Returns when a job has ended: by itself after its batch, or cancelled when that takes too long."""
        mark = stop_object(self._settings, run.id)
        self._bucket.put(mark)
        try:
            self.await_end(run, _STOP_DEADLINE_S)
        except EnvironmentNotReadyError:
            _log.warning("the job did not stop when asked to and is cancelled", job=run.id)
            google = self._settings.gcp
            call(
                f"cancelling the job {run.id}",
                lambda: self._client.cancel_job(
                    project_id=google.project, region=google.region, job_id=run.id, retry=None
                ),
            )
            self.await_end(run, _CANCEL_DEADLINE_S)
        self._bucket.remove(mark)

    def await_end(self, run: Run, deadline_s: float) -> Run:
        """Returns a job once it has ended.

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
            hint=f"`gcloud dataproc jobs kill {run.id} --region={self._settings.gcp.region}`",
            interval_s=self._pace_s,
        )


def _run(job: Job) -> Run:
    since = job.status.state_start_time
    return Run(
        id=job.reference.job_id,
        state=_STATES.get(job.status.state.name, "starting"),
        since=since or None,
        release=job.labels.get(RELEASE_LABEL, ""),
        details=" ".join(job.status.details.split())[:300],
        output=job.driver_output_resource_uri,
    )
