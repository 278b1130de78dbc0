"""The pipeline's jobs on a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.release import Release
from tandem.platforms.dataproc.requests import ACTIVE_JOBS, place_of, submit_request
from tandem.platforms.dataproc.run import Run, run_of
from tandem.platforms.dataproc.runs import Runs

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job, JobControllerClient


class ClusterJobs(Runs):
    """The jobs of a profile's pipeline, on whatever cluster."""

    _client: JobControllerClient
    _active = ACTIVE_JOBS

    def get(self, name: str) -> Run:
        """Returns a job as it is now."""
        google = self._settings.gcp
        submitted = call(
            f"looking at the job {name}",
            lambda: self._client.get_job(project_id=google.project, region=google.region, job_id=name, retry=None),
        )
        return _run(submitted)

    def submit(self, release: Release, predecessor: str | None) -> Run:
        """Returns the submitted job; see ``Runs.submit``."""
        from google.api_core.exceptions import AlreadyExists

        request = submit_request(self._settings, release, predecessor)
        self._remove_request_to_stop(request.job.reference.job_id)

        def send() -> Run:
            try:
                return _run(self._client.submit_job(request=request, retry=None))
            except AlreadyExists:  # by an attempt whose answer was lost
                return self.get(request.job.reference.job_id)

        return call("submitting the job", send)

    def others_on_cluster(self) -> list[str]:
        """Returns the ids of all active jobs on the cluster except ours.

        See ``Runs.others_on_cluster``.
        """
        google = self._settings.gcp
        # Without a matcher for active jobs, which may leave out a job that waits for its restart.
        request = {"project_id": google.project, "region": google.region, "cluster_name": google.cluster}
        jobs_there = call("listing the jobs", lambda: list(self._client.list_jobs(request=request, retry=None)))
        return sorted(run.id for run in map(_run, jobs_there) if run.active and not self._owns(run))

    def _all_active(self, wanted: str = "") -> Iterable[Run]:
        return (run for run in self.listed(wanted) if run.active)

    def listed(self, wanted: str) -> Iterable[Run]:
        """Returns the service's runs that match a filter."""
        google = self._settings.gcp
        request = {"project_id": google.project, "region": google.region, "filter": wanted}
        listed = call("listing the jobs", lambda: list(self._client.list_jobs(request=request, retry=None)))
        return map(_run, listed)

    def cancel(self, run: Run) -> None:
        """Ends a run at once; see ``Runs.cancel``."""
        google = self._settings.gcp
        self._client.cancel_job(project_id=google.project, region=google.region, job_id=run.id, retry=None)

    def log_filter(self, run: Run) -> str:
        """Returns the filter for a driver's entries; see ``Runs.log_filter``."""
        google = self._settings.gcp
        return (
            f'resource.type = "cloud_dataproc_job" AND resource.labels.region = "{google.region}" '
            f'AND resource.labels.job_id = "{run.id}" AND resource.labels.job_uuid = "{run.uuid}" '
            f'AND logName = "projects/{google.project}/logs/dataproc.job.driver"'
        )

    def _kill_hint(self, run: Run) -> str:
        return f"`gcloud dataproc jobs kill {run.id} {place_of(self._settings.gcp)}`"


def _run(job: Job) -> Run:
    status = job.status
    run = run_of(
        job.reference.job_id,
        job.labels,
        status.state.name,
        status.state_start_time,
        status.details,
        job.driver_output_resource_uri,
        job.job_uuid,
        job.pyspark_job.args,
    )
    return replace(run, restarts_left=_restarts_left(job))


def _restarts_left(job: Job) -> int | None:
    """Returns how often Dataproc will still restart a driver.

    It counts every failure in the job's life.
    """
    most = job.scheduling.max_failures_total
    states = [status.state.name for status in (*job.status_history, job.status)]
    return max(0, most - states.count("ATTEMPT_FAILURE")) if most else None
