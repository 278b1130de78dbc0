"""A stand-in for Dataproc's jobs, with its states.

Every submitted job really runs.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import grpc
from google.cloud import dataproc_v1 as dataproc

from tandem_rehearsal.cluster_controller import ClusterController, check_place
from tandem_rehearsal.grpc_service import handler, refuse
from tandem_rehearsal.list_filter import matching
from tandem_rehearsal.memory_rules import end_on_cluster
from tandem_rehearsal.request_rules import check_job_id, check_labels, check_request_id

SERVICE = "google.cloud.dataproc.v1.JobController"
State = dataproc.JobStatus.State
_ACTIVE = (
    *(State.PENDING, State.SETUP_DONE, State.RUNNING, State.ATTEMPT_FAILURE),
    *(State.CANCEL_PENDING, State.CANCEL_STARTED),
)
# What Google lists as active, by the reference of ListJobs: not a job that waits for its restart.
_LISTED_AS_ACTIVE = (State.PENDING, State.RUNNING, State.CANCEL_PENDING)
# Dataproc's rule: after this many failures within these seconds, the job is not restarted.
_THRASHING, _THRASHING_S = 4, 600.0
_MOST_AN_HOUR, _MOST = 10, 240


class DriverHandle(Protocol):
    """A running driver."""

    def wait(self) -> int:
        """Returns its exit code once it has ended."""

    def kill(self) -> None:
        """Kills it and its children."""


# Starts a job's driver on a cluster; its output is under the URI that the job names.
Launch = Callable[[dataproc.Job, dataproc.Cluster], DriverHandle]


@dataclass
class _SubmittedJob:
    job: dataproc.Job
    cluster: dataproc.Cluster
    request_id: str
    cancelled: bool = False
    driver: DriverHandle | None = None
    failures: list[float] = field(default_factory=list)


class JobController:
    """Submits, reads and cancels jobs.

    Args:
        project: the only project.
        region: the only region.
        clusters: the clusters, as a job needs one.
        launch: starts drivers.

    Attributes:
        before_restart: called between a failure and the next driver.
    """

    def __init__(self, project: str, region: str, clusters: ClusterController, launch: Launch) -> None:
        self._place, self._clusters, self._launch = (project, region), clusters, launch
        self._lock = threading.RLock()
        self._jobs: dict[str, _SubmittedJob] = {}
        self.before_restart: Callable[[], object] = lambda: None

    def service(self) -> grpc.GenericRpcHandler:
        """Returns the handler for a gRPC server."""
        return handler(
            SERVICE,
            SubmitJob=(self._submit, dataproc.SubmitJobRequest, dataproc.Job),
            GetJob=(self._get, dataproc.GetJobRequest, dataproc.Job),
            ListJobs=(self._list, dataproc.ListJobsRequest, dataproc.ListJobsResponse),
            CancelJob=(self._cancel, dataproc.CancelJobRequest, dataproc.Job),
        )

    def stop(self) -> None:
        """Ends every driver."""
        with self._lock:
            running = [each for each in self._jobs.values() if each.job.status.state in _ACTIVE]
        for each in running:
            self._end(each)

    def _submit(self, request: dataproc.SubmitJobRequest, context: grpc.ServicerContext) -> dataproc.Job:
        check_place(request.project_id, request.region, self._place, context)
        name = request.job.reference.job_id
        check_job_id(name, context)
        check_request_id(request.request_id, context)
        check_labels(request.job.labels, context)
        _check_scheduling(request.job.scheduling, context)
        cluster = self._clusters.find(request.job.placement.cluster_name)
        if cluster is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, f"Not found: Cluster {request.job.placement.cluster_name}")
        with self._lock:
            before = self._jobs.get(name)
            if before and before.request_id == request.request_id:
                return before.job
            if before:
                refuse(context, grpc.StatusCode.ALREADY_EXISTS, f"Already exists: Job {name}")
            job = dataproc.Job(request.job)
            job.job_uuid = str(uuid.uuid4())
            folder = f"gs://{cluster.config.config_bucket}/google-cloud-dataproc-metainfo/{cluster.cluster_uuid}"
            job.driver_output_resource_uri = f"{folder}/jobs/{name}/driveroutput"
            submitted = _SubmittedJob(job, cluster, request.request_id)
            self._show(submitted, State.PENDING)
            self._jobs[name] = submitted
        threading.Thread(target=self._run, args=(submitted,), name=name, daemon=True).start()
        return job

    def _get(self, request: dataproc.GetJobRequest, context: grpc.ServicerContext) -> dataproc.Job:
        check_place(request.project_id, request.region, self._place, context)
        return self._known(request.job_id, context).job

    def _list(self, request: dataproc.ListJobsRequest, context: grpc.ServicerContext) -> dataproc.ListJobsResponse:
        check_place(request.project_id, request.region, self._place, context)
        with self._lock:
            jobs = [each.job for each in reversed(self._jobs.values())]
        wanted = [job for job in jobs if matching(request.filter, ("status.state",), _values(job), job.labels, context)]
        # Google ignores the matcher beside a filter.
        if not request.filter and request.job_state_matcher == dataproc.ListJobsRequest.JobStateMatcher.ACTIVE:
            wanted = [job for job in wanted if job.status.state in _LISTED_AS_ACTIVE]
        here = [job for job in wanted if request.cluster_name in ("", job.placement.cluster_name)]
        return dataproc.ListJobsResponse(jobs=here)

    def _cancel(self, request: dataproc.CancelJobRequest, context: grpc.ServicerContext) -> dataproc.Job:
        check_place(request.project_id, request.region, self._place, context)
        submitted = self._known(request.job_id, context)
        if submitted.job.status.state not in _ACTIVE:
            refuse(context, grpc.StatusCode.FAILED_PRECONDITION, f"Job {request.job_id} has ended")
        threading.Thread(target=self._end, args=(submitted,), daemon=True).start()
        return submitted.job

    def _known(self, name: str, context: grpc.ServicerContext) -> _SubmittedJob:
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, f"Not found: Job {name}")
        return job

    def _end(self, submitted: _SubmittedJob) -> None:
        with self._lock:
            if submitted.job.status.state not in _ACTIVE:
                return
            submitted.cancelled = True
            self._show(submitted, State.CANCEL_STARTED)
            driver = submitted.driver
        if driver:
            driver.kill()

    def _run(self, submitted: _SubmittedJob) -> None:
        if why := end_on_cluster(submitted.job.pyspark_job.properties, submitted.cluster):
            with self._lock:
                self._show(submitted, State.ERROR, why)
            return
        while True:
            with self._lock:
                if submitted.cancelled:
                    self._show(submitted, State.CANCELLED)
                    return
                self._show(submitted, State.RUNNING)
                driver = submitted.driver = self._launch(submitted.job, submitted.cluster)
            code = driver.wait()
            with self._lock:
                submitted.driver = None
                if submitted.cancelled:
                    self._show(submitted, State.CANCELLED)
                    return
                if code == 0:
                    self._show(submitted, State.DONE)
                    return
                why = f"Google Cloud Dataproc Agent reports job failure: exit {code}"
                if not self._may_start_again(submitted):
                    self._show(submitted, State.ERROR, why)
                    return
                self._show(submitted, State.ATTEMPT_FAILURE, why)
            self.before_restart()

    def _may_start_again(self, submitted: _SubmittedJob) -> bool:
        now, scheduling = time.monotonic(), submitted.job.scheduling
        submitted.failures.append(now)
        recent = [moment for moment in submitted.failures if now - moment < _THRASHING_S]
        last_hour = [moment for moment in submitted.failures if now - moment < 3600]
        left = len(submitted.failures) <= scheduling.max_failures_total
        return left and len(last_hour) <= scheduling.max_failures_per_hour and len(recent) < _THRASHING

    def _show(self, submitted: _SubmittedJob, state: Any, details: str = "") -> None:
        # A new message: a reader may be writing the old one to its client.
        job = dataproc.Job(submitted.job)
        if job.status.state:
            job.status_history.append(job.status)
        job.status = dataproc.JobStatus(state=state, details=details, state_start_time=datetime.now(UTC))
        submitted.job = job


def _check_scheduling(scheduling: dataproc.JobScheduling, context: grpc.ServicerContext) -> None:
    if scheduling.max_failures_per_hour > _MOST_AN_HOUR or scheduling.max_failures_total > _MOST:
        text = f"At most {_MOST_AN_HOUR} failures an hour and {_MOST} in total are allowed"
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text)


def _values(job: dataproc.Job) -> dict[str, str]:
    return {"status.state": "ACTIVE" if job.status.state in _LISTED_AS_ACTIVE else "NON_ACTIVE"}
