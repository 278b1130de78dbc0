"""Starts, inspects and stops the environment of containers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import structlog
from docker.errors import APIError

from tandem.engine.run.signals import RELOAD
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.foreign.inheritance import log_not_passed_on
from tandem.platforms.base import START_DEADLINE_S
from tandem.platforms.compose import logs
from tandem.platforms.compose.containers import failure_of, started_at, state_of
from tandem.platforms.compose.engine import check_builder, check_memory, checkout
from tandem.platforms.compose.further import JOB, RECONCILE, SETUP
from tandem.platforms.compose.mounts import check_mounts
from tandem.platforms.compose.project import Project
from tandem.platforms.observe import has_committed, lag_of, reconcile_report, status
from tandem.platforms.ports import check_ports, dashboard_trouble
from tandem.platforms.progress import ProgressReader
from tandem.platforms.reload import reload
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine
from tandem.waiting import NotYetError, wait_for

_log = structlog.get_logger(__name__)


class ComposePlatform:
    """Kafka, MongoDB and a Spark cluster as containers: life cycle by Compose, inspection by the engine.

    Args:
        settings: of a profile with the backend ``compose``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._project = Project(settings)

    def up(self, wait: bool = True, deadline_s: float = START_DEADLINE_S) -> None:
        """Starts the services and this pipeline's job; see ``Platform.up``."""
        project, job = self._project, self._project.own(JOB)
        pipelines = {*project.jobs(), self._settings.pipeline}
        check_mounts(checkout(), self._settings.pipelines_dir)
        if state_of(project.container(job)) != "running":
            check_memory(project.engine, len(pipelines))
            check_builder(project.engine)
            if not any(state_of(each) == "running" for each in project.containers.of(project.name).values()):
                check_ports(self._ports())
                log_not_passed_on()
        # Also if it runs: Compose starts missing services, recreates changed ones and leaves the others alone.
        self._start("up", "--detach", *_workers(len(pipelines)), job)
        # Separately: no other service depends on it.
        if reason := self._dashboard_trouble():
            _log.warning("the dashboard is not available", error=reason, hint="fix it and run `tandem up`")
        elif project.compose().run("up", "--detach", "--no-deps", "dashboard") != 0:
            _log.warning("the dashboard could not be started", hint="`tandem logs dashboard`")
        if wait:
            self.wait_until_ready(deadline_s)

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs have a container that runs; see ``Platform.pipelines``."""
        try:
            return self._project.running()
        except EnvironmentNotReadyError:
            return []

    def leave(self) -> None:
        """Removes this pipeline's job; see ``Platform.leave``."""
        project, mine = self._project, self._settings.pipeline
        project.check()
        if list(project.jobs()) == [mine]:
            self.down()
            return
        rest = project.compose(without=mine)
        self._start("rm", "--stop", "--force", project.own(JOB), project.own(SETUP))
        # All workers stay until the next start: any of them may run another job's executor.
        rest.run("up", "--detach", "--no-deps", "dashboard")

    def down(self, volumes: bool = False) -> bool:
        """Stops and removes the containers, the producers too; see ``Platform.down``."""
        project = self._project
        ran = bool(project.containers.of(project.name))
        if project.plain().run("--profile", "history", "--profile", "local", "down", "--remove-orphans") != 0:
            raise TandemError("some containers could not be stopped", hint="see Compose's output above, and try again")
        if volumes:
            # Of both kinds of images; Compose would find only one of them.
            for volume in project.containers.volumes(project.name):
                try:
                    volume.remove()
                except APIError as error:
                    raise TandemError(
                        f"the volume {volume.name} is kept: {error.explanation}",
                        hint=f"`docker ps --all --filter volume={volume.name}` shows the container that uses it",
                    ) from None
        return ran

    def where(self) -> str:
        """Returns the Compose project; see ``Platform.where``."""
        return f"containers of the Compose project {self._project.name}"

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Platform.status``."""
        project, service = self._project, self._project.own(JOB)
        with closing(ProgressReader(self._settings.mongo, self._settings.pipeline)) as reader:
            job = project.container(service)
            newest = reader.newest() if reader.answers() else None
            mine = self._of_this_run(job, newest)
            state = state_of(job)
            behind = lag_of(self._settings, newest) if newest else None
            trouble = self._dashboard_trouble() if job else None
            return status(
                self._settings,
                state="starting" if state == "running" and mine is None else state,
                driver=job.short_id if job else None,
                ready=behind is not None and has_committed(self._settings, mine),
                newest=newest,
                behind=behind,
                problem=self.problem(),
                dashboard=bool(trouble) or state_of(project.container("dashboard")) == "running",
                dashboard_problem=trouble,
                first=list(project.jobs())[:1] in ([], [self._settings.pipeline]),
                spark_port=project.page_port(service) if state == "running" else None,
            )

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect, in a container of its own; see ``Platform.reconcile``."""
        self._project.check()
        service = self._project.own(RECONCILE)
        return reconcile_report(*self._project.compose().output_of("run", "--rm", "--no-deps", "--no-TTY", service))

    def problem(self) -> str | None:
        """Returns why a container does not stay up; see ``Platform.problem``."""
        others = {service for name, service in self._project.jobs().items() if name != self._settings.pipeline}
        for name, container in self._project.containers.of(self._project.name).items():
            if name in others:
                continue
            if reason := failure_of(container):
                return f"{name} stopped: {reason}"
            if container.attrs["State"].get("Restarting"):
                return f"{name} keeps restarting: {logs.essence(container)}"
        return None

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the containers' log lines; see ``Platform.logs``."""
        found = self._project.containers.of(self._project.name)
        own = self._project.own(JOB)
        # Of several jobs, only this pipeline's.
        services = [own if name == JOB and own in found else name for name in services]
        if unknown := sorted(set(services) - set(found)):
            known = ", ".join(sorted(found)) or "none, because nothing was started"
            raise UsageError(f"there is no service {unknown[0]!r}", hint=f"choose from: {known}")
        return logs.merged({name: found[name] for name in services or sorted(found)}, follow, since)

    def restart_job(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Runs the setup with the current settings and starts a new driver; see ``Platform.restart_job``."""
        self._project.check()
        check_mounts(checkout(), self._settings.pipelines_dir)
        self._start("run", "--rm", "--no-deps", self._project.own(SETUP))
        self._start("up", "--detach", "--no-deps", "--force-recreate", self._project.own(JOB))
        self.wait_until_ready(deadline_s)

    def reload_job(self) -> None:
        """Reloads the job with the new code, which is mounted; see ``Reloading.reload_job``."""
        service = self._project.own(JOB)
        driver = self._project.container(service)
        if driver is None or state_of(driver) != "running":
            raise EnvironmentNotReadyError("no job runs", hint="`tandem submit` starts one")

        def problem() -> str | None:
            job = self._project.container(service)
            if reason := job and failure_of(job):
                return f"{service} stopped: {reason}"
            ended = job is None or state_of(job) != "running"
            return f"{service} ended{f': {logs.essence(job)}' if job else ''}" if ended else None

        reload(self._settings, lambda: driver.kill(signal=RELOAD.name), problem)

    def _dashboard_trouble(self) -> str | None:
        """Returns why the dashboard's container cannot be started; None if it can, or runs."""
        runs = state_of(self._project.container("dashboard")) != "stopped"
        return None if runs else dashboard_trouble(self._settings.ui.dashboard_port)

    def _ports(self) -> dict[str, int]:
        settings = self._settings
        return {
            "TANDEM_KAFKA__PORT": settings.kafka.port,
            "TANDEM_MONGO__PORT": settings.mongo.port,
            "TANDEM_UI__SPARK_PORT": settings.ui.spark_port,
            "TANDEM_UI__MASTER_PORT": settings.ui.master_port,
            "TANDEM_UI__DASHBOARD_PORT": settings.ui.dashboard_port,
        }

    def _start(self, *arguments: str) -> None:
        if self._project.compose().run(*arguments) == 0:
            return
        hint = "see Compose's output above and `tandem logs`"
        for name, container in self._project.containers.of(self._project.name).items():
            state = container.attrs["State"]
            sick = (state.get("Health") or {}).get("Status") == "unhealthy"
            if sick or state.get("Restarting") or (state["Status"] == "exited" and state["ExitCode"] != 0):
                what = "is unhealthy" if sick else f"ended with exit code {state['ExitCode']}"
                raise EnvironmentNotReadyError(f"{name} {what}: {logs.essence(container)}", hint=hint)
        raise EnvironmentNotReadyError("the containers could not be started", hint=hint)

    def wait_until_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """See ``Platform.wait_until_ready``."""
        service = self._project.own(JOB)

        def probe() -> None:
            job = self._project.container(service)
            if reason := job and failure_of(job):
                raise EnvironmentNotReadyError(f"{service} stopped: {reason}", hint="fix it and run `tandem submit`")
            if not has_committed(self._settings, self._of_this_run(job, reader.newest())):
                raise NotYetError(f"the job's container is {job.status if job else 'missing'}")

        with closing(ProgressReader(self._settings.mongo, self._settings.pipeline)) as reader:
            what = "the job's first committed batch"
            wait_for(what, probe, deadline_s=deadline_s, hint=f"look at `tandem logs {service}`", interval_s=0.3)

    def _of_this_run(self, job: Any | None, newest: dict[str, Any] | None) -> dict[str, Any] | None:
        """Returns the newest progress document if the running driver wrote it."""
        if job is None or newest is None or state_of(job) != "running" or newest["at"] < started_at(job):
            return None
        return newest


def _workers(jobs: int) -> tuple[str, ...]:
    """Returns Compose's arguments for one worker per job, as a worker has room for one job."""
    return ("--scale", f"spark-worker={jobs}") if jobs > 1 else ()
