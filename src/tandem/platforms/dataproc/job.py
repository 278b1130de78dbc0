"""Deploys, inspects and removes a job in Google Cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import structlog

from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.job_files import RECONCILE, REPLAY
from tandem.platforms.changes import ChangesSoFar
from tandem.platforms.dataproc import batch_runs
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.run import Run
from tandem.platforms.dataproc.run_problems import few_restarts, problem_of, silence_of, state_of
from tandem.platforms.dataproc.runs import Runs
from tandem.platforms.observe import batch_failed, has_committed, lag_of, reason_in, status
from tandem.platforms.progress import progress_of
from tandem.platforms.removal import remove_collections, remove_topics
from tandem.progress_display import wait_shown, work_shown
from tandem.settings.loaded import require
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine
from tandem.waiting import NotYetError

# A cluster takes minutes to be created, and the first driver on it a minute to start.
_FIRST_BATCH_DEADLINE_S = 900.0
_LOOK = "`tandem logs job`"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _NewestJob:
    """The newest job of a pipeline.

    Attributes:
        run: the job; None if there is none, or if that is unknown.
        elsewhere: a warning if it runs in the service that the settings do not choose.
        unknown: why it is unknown.
    """

    run: Run | None = None
    elsewhere: str | None = None
    unknown: str | None = None


class DataprocJob:
    """A pipeline's job on Dataproc, with managed Kafka and MongoDB.

    Args:
        settings: the pipeline's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.changes = ChangesSoFar(billed=settings.billed)
        self._submitted: Run | None = None

    @cached_property
    def deployment(self) -> Deployment:
        """The pipeline in its Google project."""
        require(self.settings, self.settings.needed_to_deploy)
        return Deployment(self.settings)

    def submit(self) -> None:
        """Deploys this source unless it already runs; see ``Job.submit``."""
        with work_shown("deploying"):
            self._submitted = self.deployment.deploy(self.changes)

    def restart(self) -> None:
        """Replaces the running job by this source, on its checkpoint; see ``Job.restart``."""
        with work_shown("deploying"):
            self._submitted = self.deployment.deploy(self.changes, anew=True)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Waits for the job that was submitted last; see ``Job.wait_until_ready``."""
        service, run = (self.deployment.jobs, self._submitted) if self._submitted else self._newest_submitted()

        def probe() -> None:
            now = service.get(run.id)
            newest = reader.newest()
            if not now.active:
                self.changes.job = f"the job {run.id} has ended, and nothing replaces it"
                why = problem_of(now, newest) or f"the job {run.id} ended: {now.details or now.state}"
                raise EnvironmentNotReadyError(why, hint=_LOOK)
            if not self._committed(now, newest):
                raise NotYetError(now.details or f"the job is {now.state}")

        pace_s = 0.5 if self.settings.gcp.credentials == "none" else 3.0
        with progress_of(self.settings) as reader:
            what = "the job's first committed batch"
            wait_shown(what, probe, deadline_s=_FIRST_BATCH_DEADLINE_S, hint=_LOOK, interval_s=pace_s)
        self.changes.job = f"the job {run.id} runs"

    def stop(self) -> bool:
        """Stops the pipeline's job after its current batch; see ``Job.stop``.

        It may be on a cluster or a serverless batch, whatever the settings choose now. Its reconciliation or replay is
        cancelled. The cluster is deleted if Tandem created it and no other job is left on it.
        """
        deployment, cluster, with_costs = self.deployment, self.settings.gcp.cluster, self.changes.with_costs
        self.changes.cluster = with_costs(f"jobs and the cluster {cluster} may still run")
        deployment.check_earlier()
        stopped = [batch_runs.cancel(deployment, self.changes), *map(self._stop_in, deployment.services)]
        if others := [name for service in deployment.services for name in service.others_on_cluster()]:
            _log.info("the cluster is kept, because other jobs run on it", cluster=cluster, jobs=others)
            self.changes.cluster = with_costs(f"the cluster {cluster} is kept because other jobs run on it")
            return any(stopped)
        self.changes.cluster = with_costs(f"the cluster {cluster} may still exist")
        result = deployment.any_cluster.delete()
        left = {"deleted": "is deleted", "kept": with_costs("is kept"), "absent": "does not exist"}
        self.changes.cluster = f"the cluster {cluster} {left[result]}"
        if result == "deleted":
            _log.info("the cluster is deleted", cluster=cluster)
        return any(stopped) or result == "deleted"

    def forget(self) -> Iterator[str]:
        """Deletes the pipeline's data in Cloud Storage, Kafka and MongoDB.

        See ``DeployedJob.forget``.
        """
        self.changes.data = "its data may be deleted in part"
        if objects := self.deployment.bucket.remove_all():
            yield f"{objects} objects in gs://{self.settings.gcp.bucket}"
        if topics := remove_topics(self.settings.kafka, self.settings.location):
            yield f"the topics {', '.join(topics)}"
        settings = self.settings
        if collections := remove_collections(settings.mongo, settings.location, settings.pipelines_dir):
            yield f"the collections {', '.join(collections)}"
        self.changes.data = "its data is deleted"

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Job.status``."""
        found_job = self._newest()
        run, trouble = found_job.run, found_job.unknown
        without = "unknown" if trouble else "stopped"
        trouble = trouble or self._earlier(run)
        newest, behind, answered = None, None, False
        try:
            with progress_of(self.settings) as reader:
                newest = reader.newest()
                answered = newest is not None or reader.answers()
            behind = lag_of(self.settings, newest) if newest else None
        except TandemError as error:  # a password is missing
            trouble = trouble or str(error)
        found = status(
            self.settings,
            state=state_of(run, newest) if run else without,
            driver=run.id if run and run.active else None,
            ready=bool(run and self._committed(run, newest)),
            newest=newest,
            behind=behind,
            problem=trouble or problem_of(run, newest),
            dashboard=False,
        )
        found["job"]["restarts_left"] = run.restarts_left if run and run.active else None
        if found_job.elsewhere:
            found["warnings"].append(f"{found_job.elsewhere}; `tandem destroy` stops it")
        found["warnings"] += [few] if run and (few := few_restarts(run)) else []
        found["warnings"] += [gone] if run and answered and (gone := silence_of(run, newest, datetime.now(UTC))) else []
        return found

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect, in a job of its own.

        See ``Job.reconcile``.
        """
        self._check_cluster("reconcile")
        return self._report_of(RECONCILE, *batch_runs.reconcile(self.deployment, self.settings, self.changes))

    def replay(self, span: ReplayRange) -> dict[str, Any]:
        """Computes the documents of a range again, in a job of its own; see ``Job.replay``."""
        self._check_cluster("replay")
        return self._report_of(REPLAY, *batch_runs.replay(self.deployment, self.settings, self.changes, span))

    def doubt(self) -> str | None:
        """Returns why this version could not be checked against the checkpoint.

        See ``Job.doubt``.
        """
        with work_shown("checking whether this version fits the checkpoint"):
            return self.deployment.doubt()

    def problem(self) -> str | None:
        """Returns why the job failed permanently; see ``Job.problem``."""
        # A missing answer from Google may resolve by itself.
        run = self._newest().run
        if run is None or run.active:
            return None
        newest = None
        with suppress(TandemError), progress_of(self.settings) as reader:  # a password is missing
            newest = reader.newest()
        return problem_of(run, newest) if state_of(run, newest) == "failed" else None

    def logs(self, follow: bool = False, since: datetime | None = None) -> Iterator[LogLine]:
        """Yields the output of the newest job's driver; see ``Environment.logs``."""
        service, run = self._newest_submitted()
        yield from self.deployment.log(service).lines(run, follow=follow, since=since)

    def close(self) -> None:
        """Closes the connection to Dataproc; a new one is opened when needed."""
        if "deployment" in self.__dict__:
            self.deployment.close()
            del self.deployment

    def _committed(self, run: Run, newest: dict[str, Any] | None) -> bool:
        return run.state == "running" and _is_of(run, newest) and has_committed(self.settings, newest)

    def _check_cluster(self, verb: str) -> None:
        cluster = self.deployment.cluster
        if cluster and cluster.check() is None:
            raise EnvironmentNotReadyError(f"there is no cluster to {verb} on", hint="`tandem deploy` creates it")

    def _report_of(self, entry: str, service: Runs, run: Run) -> dict[str, Any]:
        with progress_of(self.settings) as reader:
            stored = reader.batch(run.id)
        if stored is None:
            raise batch_failed(entry, self._said_of(service, run))
        if stored["error"]:
            raise batch_failed(entry, stored["error"])
        report: dict[str, Any] = json.loads(stored["report"])
        return report

    def _said_of(self, service: Runs, run: Run) -> str:
        """Returns why a batch without a report failed.

        The reason is in its log, else in Dataproc's state.
        """
        with suppress(TandemError):
            log = self.deployment.log(service)
            if reason := reason_in("\n".join(line.text for line in log.lines(run))):
                return reason
        return run.details or f"the job {run.id} is {run.state} and has not reported"

    def _stop_in(self, service: Runs) -> bool:
        """Stops the active run of a service; returns whether there was one."""
        run = service.newest()
        if run is None or not run.active:
            return False
        _log.info("stopping the job after its current batch", job=run.id)
        self.changes.job = f"the job {run.id} was asked to stop"
        service.stop(run)
        self.changes.job = f"the job {run.id} has stopped"
        return True

    def _newest(self) -> _NewestJob:
        try:
            service, run = self.deployment.newest()
        except TandemError as error:
            return _NewestJob(unknown=str(error))
        return _NewestJob(run, self.deployment.elsewhere(service, run))

    def _earlier(self, run: Run | None) -> str | None:
        """Returns a running job of an earlier Tandem, and the command that ends it.

        Such a job runs instead of the newest one.
        """
        if run and run.active:
            return None
        try:
            self.deployment.check_earlier()
        except TandemError as error:
            return f"{error}; {error.hint}"
        return None

    def _newest_submitted(self) -> tuple[Runs, Run]:
        service, run = self.deployment.newest()
        if run is None:
            self.deployment.check_earlier()
            raise EnvironmentNotReadyError("no job was submitted", hint="`tandem deploy` submits it")
        return service, run


def _is_of(run: Run, newest: dict[str, Any] | None) -> bool:
    """Returns whether the report is newer than the run's state.

    There is one driver at a time.
    """
    return bool(newest and run.since and newest["at"] >= run.since)
