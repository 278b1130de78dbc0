"""Starts, inspects and stops a job of the environment of containers."""

from __future__ import annotations

from typing import Any

import structlog

from tandem.engine.declare.replay_range import ReplayRange
from tandem.engine.run.signals import RELOAD
from tandem.errors import EnvironmentNotReadyError
from tandem.foreign.inheritance import log_not_passed_on
from tandem.job_files import RECONCILE, REPLAY, replay_arguments
from tandem.platforms.base import START_DEADLINE_S, UNCHECKED
from tandem.platforms.compose import container_logs
from tandem.platforms.compose.cli import ports
from tandem.platforms.compose.compose_project import Project
from tandem.platforms.compose.containers import failure_of, started_at, state_of
from tandem.platforms.compose.engine import check_builder, check_memory, check_mongo_image
from tandem.platforms.compose.heaps import check_heaps_fit
from tandem.platforms.compose.job_services import BATCH, SETUP, JobServices
from tandem.platforms.compose.mounts import check_mounts
from tandem.platforms.compose.podman import check_podman
from tandem.platforms.compose.project_folder import renewed_folder
from tandem.platforms.observe import batch_report, has_committed, lag_of, status
from tandem.platforms.ports import check_ports, dashboard_trouble
from tandem.platforms.progress import progress_of
from tandem.platforms.reload import reload
from tandem.progress_display import wait_shown
from tandem.settings.model import Settings
from tandem.waiting import NotYetError

_log = structlog.get_logger(__name__)


class ComposeJob:
    """A pipeline's driver in a container, beside the services that all jobs share.

    Args:
        settings: the pipeline's settings.
        project: the Compose project of its containers.
    """

    def __init__(self, settings: Settings, project: Project) -> None:
        self.settings = settings
        self._project = project

    def submit(self) -> None:
        """Starts the services and this pipeline's job; see ``Job.submit``."""
        project, job = self._project, self._services.job
        pipelines = {*project.jobs(), self.settings.pipeline}
        self._check_mounts()
        if state_of(project.container(job)) != "running":
            check_memory(project.engine, len(pipelines))
            check_builder(project.engine)
            services = project.compose(self.settings).model()["services"]
            check_mongo_image(project.engine, services)
            if project.engine.podman:
                check_podman(services, project.containers.has_image)
            check_heaps_fit(self.settings.spark, services, job)
            if not any(state_of(each) == "running" for each in project.containers.of(project.name).values()):
                check_ports(ports(self.settings))
                log_not_passed_on()
        # Also if it runs: Compose starts missing services, recreates changed ones and leaves the others alone.
        self._start("up", "--detach", *_workers(len(pipelines)), job)
        # Separately: no other service depends on it.
        if reason := self._dashboard_trouble():
            _log.warning("the dashboard is not available", error=reason, hint="fix it and run `tandem up`")
        elif project.compose(self.settings).run("up", "--detach", "--no-deps", "dashboard") != 0:
            _log.warning("the dashboard could not be started", hint="`tandem logs dashboard`")

    def wait_until_ready(self) -> None:
        """Waits for the driver in the container; see ``Job.wait_until_ready``."""
        service = self._services.job

        def probe() -> None:
            job = self._project.container(service)
            if reason := job and failure_of(job):
                raise EnvironmentNotReadyError(f"{service} stopped: {reason}", hint="fix it and run `tandem submit`")
            if not has_committed(self.settings, self._of_this_run(job, reader.newest())):
                raise NotYetError(f"the job's container is {job.status if job else 'missing'}")

        what, hint = "the job's first committed batch", f"look at `tandem logs {service}`"
        with progress_of(self.settings) as reader:
            wait_shown(what, probe, deadline_s=START_DEADLINE_S, hint=hint, interval_s=0.3)

    def stop(self) -> bool:
        """Removes the job's containers; see ``Job.stop``."""
        project, mine = self._project, self.settings.pipeline
        project.check_running(mine)
        if list(project.jobs()) == [mine]:
            project.down(volumes=False)
            return True
        rest, services = project.compose(self.settings, without=mine), self._services
        self._start("rm", "--stop", "--force", services.job, services.named(SETUP))
        # All workers stay until the next start: any of them may run another job's executor.
        rest.run("up", "--detach", "--no-deps", "dashboard")
        return True

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Job.status``."""
        project, service = self._project, self._services.job
        with progress_of(self.settings) as reader:
            job = project.container(service)
            newest = reader.newest() if reader.answers() else None
            mine = self._of_this_run(job, newest)
            state = state_of(job)
            behind = lag_of(self.settings, newest) if newest else None
            trouble = self._dashboard_trouble() if job else None
            return status(
                self.settings,
                state="starting" if state == "running" and mine is None else state,
                driver=job.short_id if job else None,
                ready=behind is not None and has_committed(self.settings, mine),
                newest=newest,
                behind=behind,
                problem=self.problem(),
                dashboard=bool(trouble) or state_of(project.container("dashboard")) == "running",
                dashboard_problem=trouble,
                first=list(project.jobs())[:1] in ([], [self.settings.pipeline]),
                spark_port=project.page_port(service) if state == "running" else None,
                pages=project.pages(),
            )

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect, in a container of its own.

        See ``Job.reconcile``.
        """
        return self._run_batch(RECONCILE)

    def replay(self, span: ReplayRange) -> dict[str, Any]:
        """Computes the documents of a range again, in a container of its own.

        See ``Job.replay``.
        """
        return self._run_batch(REPLAY, *replay_arguments(span))

    def doubt(self) -> str | None:
        """Returns that nothing is checked before the restart; see ``Job.doubt``."""
        return UNCHECKED

    def problem(self) -> str | None:
        """Returns why a container does not stay up; see ``Job.problem``."""
        others = {each.job for name, each in self._project.jobs().items() if name != self.settings.pipeline}
        for name, container in self._project.containers.of(self._project.name).items():
            if name in others:
                continue
            if reason := failure_of(container):
                return f"{name} stopped: {reason}"
            if container.attrs["State"].get("Restarting"):
                return f"{name} keeps restarting: {container_logs.error_summary(container)}"
        return None

    def restart(self) -> None:
        """Runs the setup with the current settings and starts a new driver.

        See ``Job.restart``.
        """
        self._project.check_running(self.settings.pipeline)
        self._check_mounts()
        self._start("run", "--rm", "--no-deps", self._services.named(SETUP))
        self._start("up", "--detach", "--no-deps", "--force-recreate", self._services.job)
        self.wait_until_ready()

    def reload(self) -> None:
        """Reloads the job with the new code, which is mounted; see ``ReloadableJob.reload``."""
        service = self._services.job
        driver = self._project.container(service)
        if driver is None or state_of(driver) != "running":
            raise EnvironmentNotReadyError("no job runs", hint="`tandem submit` starts one")

        def problem() -> str | None:
            job = self._project.container(service)
            if reason := job and failure_of(job):
                return f"{service} stopped: {reason}"
            ended = job is None or state_of(job) != "running"
            return f"{service} ended{f': {container_logs.error_summary(job)}' if job else ''}" if ended else None

        reload(self.settings, lambda: driver.kill(signal=RELOAD.name), problem)

    @property
    def _services(self) -> JobServices:
        return self._project.services_of(self.settings.pipeline)

    def _check_mounts(self) -> None:
        folder, settings = renewed_folder(), self.settings
        check_mounts(folder, settings.pipelines_dir, settings.profile_file, rootless=self._project.engine.rootless)

    def _run_batch(self, entry: str, *arguments: str) -> dict[str, Any]:
        self._project.check_running(self.settings.pipeline)
        compose, services = self._project.compose(self.settings), self._services
        command = ("run", "--rm", "--no-deps", "--no-TTY", services.named(BATCH), *services.batch_command, *arguments)
        return batch_report(entry, *compose.output_of(*command))

    def _dashboard_trouble(self) -> str | None:
        """Returns why the dashboard's container cannot be started.

        None if it can, or runs.
        """
        runs = state_of(self._project.container("dashboard")) != "stopped"
        return None if runs else dashboard_trouble(self.settings.ui.dashboard_port)

    def _start(self, *arguments: str) -> None:
        if self._project.compose(self.settings).run(*arguments) == 0:
            return
        hint = "see Compose's output above and `tandem logs`"
        for name, container in self._project.containers.of(self._project.name).items():
            state = container.attrs["State"]
            unhealthy = (state.get("Health") or {}).get("Status") == "unhealthy"
            if unhealthy or state.get("Restarting") or (state["Status"] == "exited" and state["ExitCode"] != 0):
                what = "is unhealthy" if unhealthy else f"ended with exit code {state['ExitCode']}"
                raise EnvironmentNotReadyError(f"{name} {what}: {container_logs.error_summary(container)}", hint=hint)
        raise EnvironmentNotReadyError("the containers could not be started", hint=hint)

    def _of_this_run(self, job: Any | None, newest: dict[str, Any] | None) -> dict[str, Any] | None:
        """Returns the newest progress document if the running driver wrote it."""
        if job is None or newest is None or state_of(job) != "running" or newest["at"] < started_at(job):
            return None
        return newest


def _workers(jobs: int) -> tuple[str, ...]:
    """Returns Compose's arguments for one worker per job.

    A worker has room for one job.
    """
    return ("--scale", f"spark-worker={jobs}") if jobs > 1 else ()
