"""Deploys, inspects and removes a job in Google Cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import structlog

from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.job_files import RECONCILE, REPLAY
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.run_problems import few_restarts, problem_of, silence_of, state_of
from tandem.platforms.dataproc.runs import Run
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


class DataprocJob:
    """A pipeline's job on Dataproc, with managed Kafka and MongoDB.

    Args:
        settings: the pipeline's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._submitted: Run | None = None

    @cached_property
    def deployment(self) -> Deployment:
        """The pipeline in its Google project."""
        require(self.settings, self.settings.needed_to_deploy)
        return Deployment(self.settings)

    def submit(self) -> None:
        """Deploys this source unless it already runs; see ``Job.submit``."""
        with work_shown("deploying"):
            self._submitted = self.deployment.deploy()

    def restart(self) -> None:
        """Replaces the running job by this source, on its checkpoint; see ``Job.restart``."""
        with work_shown("deploying"):
            self._submitted = self.deployment.deploy(anew=True)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Waits for the job that was submitted last; see ``Job.wait_until_ready``."""
        run = self._submitted or self._newest_submitted()

        def probe() -> None:
            now = self.deployment.jobs.get(run.id)
            newest = reader.newest()
            if not now.active:
                why = problem_of(now, newest) or f"the job {run.id} ended: {now.details or now.state}"
                raise EnvironmentNotReadyError(why, hint=_LOOK)
            if not self._committed(now, newest):
                raise NotYetError(now.details or f"the job is {now.state}")

        pace_s = 0.5 if self.settings.gcp.credentials == "none" else 3.0
        with progress_of(self.settings) as reader:
            what = "the job's first committed batch"
            wait_shown(what, probe, deadline_s=_FIRST_BATCH_DEADLINE_S, hint=_LOOK, interval_s=pace_s)

    def stop(self) -> None:
        """Stops the pipeline's job after its current batch; see ``Job.stop``.

        The cluster is deleted if Tandem created it and no other job is left on it.
        """
        deployment = self.deployment
        deployment.check_earlier()
        newest = deployment.jobs.newest()
        if newest and newest.active:
            _log.info("stopping the job after its current batch", job=newest.id)
            deployment.jobs.stop(newest)
        if others := deployment.jobs.others_on_cluster():
            _log.info(
                "the cluster is kept, because other jobs run on it", cluster=self.settings.gcp.cluster, jobs=others
            )
        elif deployment.cluster and deployment.cluster.delete():
            _log.info("the cluster is deleted", cluster=self.settings.gcp.cluster)

    def forget(self) -> Iterator[str]:
        """Deletes the pipeline's data in Cloud Storage, Kafka and MongoDB.

        See ``DeployedJob.forget``.
        """
        if objects := self.deployment.bucket.remove_all():
            yield f"{objects} objects in gs://{self.settings.gcp.bucket}"
        if topics := remove_topics(self.settings.kafka, self.settings.location):
            yield f"the topics {', '.join(topics)}"
        settings = self.settings
        if collections := remove_collections(settings.mongo, settings.location, settings.pipelines_dir):
            yield f"the collections {', '.join(collections)}"

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Job.status``."""
        run, trouble = self._newest()
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
        found["warnings"] += [few] if run and (few := few_restarts(run)) else []
        found["warnings"] += [gone] if run and answered and (gone := silence_of(run, newest, datetime.now(UTC))) else []
        return found

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect, in a job of its own.

        See ``Job.reconcile``.
        """
        self._check_cluster("reconcile")
        return self._report_of(RECONCILE, self.deployment.reconcile())

    def replay(self, span: ReplayRange) -> dict[str, Any]:
        """Computes the documents of a range again, in a job of its own; see ``Job.replay``."""
        self._check_cluster("replay")
        return self._report_of(REPLAY, self.deployment.replay(span))

    def doubt(self) -> str | None:
        """Returns why this version could not be checked against the checkpoint.

        See ``Job.doubt``.
        """
        with work_shown("checking whether this version fits the checkpoint"):
            return self.deployment.doubt()

    def problem(self) -> str | None:
        """Returns why the job failed permanently; see ``Job.problem``."""
        # A missing answer from Google may resolve by itself.
        run, _ = self._newest()
        if run is None or run.active:
            return None
        newest = None
        with suppress(TandemError), progress_of(self.settings) as reader:  # a password is missing
            newest = reader.newest()
        return problem_of(run, newest) if state_of(run, newest) == "failed" else None

    def logs(self, follow: bool = False, since: datetime | None = None) -> Iterator[LogLine]:
        """Yields the output of the newest job's driver; see ``Environment.logs``."""
        yield from self.deployment.log.lines(self._newest_submitted(), follow=follow, since=since)

    def close(self) -> None:
        """Closes the connection to Dataproc; a new one is opened when needed."""
        if "deployment" in self.__dict__:
            self.deployment.close()
            del self.deployment

    def _committed(self, run: Run, newest: dict[str, Any] | None) -> bool:
        return run.state == "running" and _is_of(run, newest) and has_committed(self.settings, newest)

    def _check_cluster(self, verb: str) -> None:
        cluster = self.deployment.cluster
        if cluster and cluster.find() is None:
            raise EnvironmentNotReadyError(f"there is no cluster to {verb} on", hint="`tandem deploy` creates it")

    def _report_of(self, entry: str, run: Run) -> dict[str, Any]:
        with progress_of(self.settings) as reader:
            stored = reader.batch(run.id)
        if stored is None:
            raise batch_failed(entry, self._said_of(run))
        if stored["error"]:
            raise batch_failed(entry, stored["error"])
        report: dict[str, Any] = json.loads(stored["report"])
        return report

    def _said_of(self, run: Run) -> str:
        """Returns why a batch without a report failed.

        The reason is in its log, else in Dataproc's state.
        """
        with suppress(TandemError):
            if reason := reason_in("\n".join(line.text for line in self.deployment.log.lines(run))):
                return reason
        return run.details or f"the job {run.id} is {run.state} and has not reported"

    def _newest(self) -> tuple[Run | None, str | None]:
        """Returns the newest job, or why it is unknown."""
        try:
            return self.deployment.jobs.newest(), None
        except TandemError as error:
            return None, str(error)

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

    def _newest_submitted(self) -> Run:
        run = self.deployment.jobs.newest()
        if run is None:
            self.deployment.check_earlier()
            raise EnvironmentNotReadyError("no job was submitted", hint="`tandem deploy` submits it")
        return run


def _is_of(run: Run, newest: dict[str, Any] | None) -> bool:
    """Returns whether the report is newer than the run's state.

    There is one driver at a time.
    """
    return bool(newest and run.since and newest["at"] >= run.since)
