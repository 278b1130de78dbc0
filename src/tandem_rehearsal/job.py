"""Starts the stand-ins and runs a job on them with the cloud's code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog

from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.dataproc.environment import active_pipelines
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.local_services.layout import JOB, Layout
from tandem.platforms.local_services.supervisor_process import RESTART_ALL, SupervisorProcess
from tandem.platforms.observe import dashboard_url, status
from tandem.progress_display import wait_shown
from tandem.supervision.state_file import given_up, read_states
from tandem.supervision.state_folder import SUPERVISOR
from tandem.waiting import NotYetError
from tandem_rehearsal import services
from tandem_rehearsal.credentials import Credentials
from tandem_rehearsal.services import SERVICES

_STAND_INS_DEADLINE_S = 120.0
_log = structlog.get_logger(__name__)


class RehearsalJob:
    """A pipeline's job on the stand-ins.

    Args:
        cloud: the same job for the cloud's code.
        layout: the folders of the stand-ins.
        supervisor: runs them.
    """

    def __init__(self, cloud: DataprocJob, layout: Layout, supervisor: SupervisorProcess) -> None:
        self.settings = cloud.settings
        self._cloud, self._layout, self._supervisor = cloud, layout, supervisor
        self.changes = cloud.changes

    def submit(self) -> None:
        """Starts the stand-ins and deploys to them; see ``Job.submit``."""
        started = not self._supervisor.running()
        if started:
            self.changes.services = "the stand-ins are starting"
            self._supervisor.start(self.settings)
        self._await_stand_ins()
        if started:
            self.changes.services = "the stand-ins run"
        if self._layout.job(self.settings.pipeline) != JOB:
            # In the cloud, an administrator does this.
            services.admit(self.settings, Credentials(self.settings.home))
        self._supervisor.registry.add(self.settings)
        self._cloud.submit()

    def wait_until_ready(self) -> None:
        """Waits for the job on the stand-ins; see ``Job.wait_until_ready``."""
        check_running(self._supervisor, self.settings.profile)
        self._cloud.wait_until_ready()

    def restart(self) -> None:
        """Replaces the running job by this source; see ``Job.restart``."""
        check_running(self._supervisor, self.settings.profile)
        check_stand_ins(self._layout)
        self._cloud.restart()

    def stop(self) -> bool:
        """Stops this pipeline's job, and the stand-ins if no other job is left.

        See ``Job.stop``.
        """
        mine, running = self.settings.pipeline, self._supervisor.running()
        last, ran = True, False
        if running:
            try:
                check_stand_ins(self._layout)
                last = active_pipelines(self._cloud.deployment.services) in ([], [mine])
                ran = self._cloud.stop()
            except TandemError as error:  # a stand-in has ended
                if set(self._supervisor.registry.names()) - {mine}:
                    raise
                last = True
                tell_unasked(error)
            self._supervisor.registry.remove(mine)
        # An open connection would report on standard error that the server is stopping.
        self._cloud.close()
        if last:
            self.changes.services = "the stand-ins were asked to end, and may still run"
            ran |= self._supervisor.stop(forget=False).ran
            self.changes.services = "the stand-ins have ended"
        return ran

    def forget(self) -> Iterator[str]:
        """Deletes the pipeline's data, or all data if the stand-ins are stopped.

        See ``DeployedJob.forget``.
        """
        if self._supervisor.running():
            yield from self._cloud.forget()
            return
        self.changes.data = "the data of the stand-ins may be deleted in part"
        deleted = self._supervisor.stop(forget=True).deleted
        self.changes.data = "the data of the stand-ins is deleted"
        if deleted:
            yield deleted

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Job.status``."""
        if not self._supervisor.running():
            return status(
                self.settings,
                state="stopped",
                driver=None,
                ready=False,
                newest=None,
                behind=None,
                problem=None,
                dashboard=False,
            )
        of_job = self._cloud.status()
        problem = problem_of_stand_ins(self._layout) or of_job["problem"]
        first = self._supervisor.registry.names()[:1] in ([], [self.settings.pipeline])
        url = dashboard_url(self.settings) + ("" if first else f"/?pipeline={self.settings.pipeline}")
        why = read_states(self._layout.state, SERVICES)["dashboard"].trouble
        return {**of_job, "dashboard": {"url": url, "problem": why}, "problem": problem}

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect; see ``Job.reconcile``."""
        check_running(self._supervisor, self.settings.profile)
        return self._cloud.reconcile()

    def replay(self, span: ReplayRange) -> dict[str, Any]:
        """Computes the documents of a range of records again; see ``Job.replay``."""
        check_running(self._supervisor, self.settings.profile)
        return self._cloud.replay(span)

    def doubt(self) -> str | None:
        """Returns why this version could not be checked; see ``Job.doubt``."""
        return self._cloud.doubt() if self._supervisor.running() else None

    def problem(self) -> str | None:
        """Returns the problem of a stand-in or of the job; see ``Job.problem``."""
        check_running(self._supervisor, self.settings.profile)
        return problem_of_stand_ins(self._layout) or self._cloud.problem()

    def _await_stand_ins(self) -> None:
        log = self._layout.log(SUPERVISOR)

        def probe() -> None:
            if not self._supervisor.running():
                raise EnvironmentNotReadyError("the supervisor ended", hint=f"look at {log}")
            check_stand_ins(self._layout)
            states = read_states(self._layout.state, SERVICES)
            # Nothing needs the dashboard.
            needed = [name for name in SERVICES if name != "dashboard"]
            waiting = [f"{name} is {states[name].state}" for name in needed if states[name].state != "running"]
            if waiting:
                raise NotYetError(", ".join(waiting))

        wait_shown("the stand-ins", probe, deadline_s=_STAND_INS_DEADLINE_S, hint=f"look at {log}", interval_s=0.2)


def problem_of_stand_ins(layout: Layout) -> str | None:
    """Returns which stand-in was given up, and why; None if none was."""
    return given_up(read_states(layout.state, SERVICES), SERVICES)


def check_stand_ins(layout: Layout) -> None:
    """Raises if a stand-in was given up, because requests to it fail after a minute.

    Raises:
        EnvironmentNotReadyError: the message names it.
    """
    if problem := problem_of_stand_ins(layout):
        raise EnvironmentNotReadyError(problem, hint=f"{RESTART_ALL}; look at {layout.log(SUPERVISOR)}")


def tell_unasked(error: TandemError) -> None:
    """Warns that jobs end with the stand-ins, without a regular stop.

    They could not be asked to stop after their current batches.
    """
    _log.warning("the jobs could not be asked to stop and end with the stand-ins", error=str(error))


def check_running(supervisor: SupervisorProcess, profile: str) -> None:
    """Raises if the stand-ins of a profile do not run.

    Raises:
        EnvironmentNotReadyError: they do not run.
    """
    if not supervisor.running():
        raise EnvironmentNotReadyError("nothing runs", hint=f"start it with `tandem --profile {profile} up`")
