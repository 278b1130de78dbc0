"""Starts, inspects and stops the environment of containers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

import structlog
from docker.errors import APIError

from tandem.engine.wishes import RELOAD
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.platforms.base import START_DEADLINE_S
from tandem.platforms.compose import logs
from tandem.platforms.compose.cli import Compose, project_name, variables
from tandem.platforms.compose.containers import Containers, started_at, state_of
from tandem.platforms.compose.engine import Engine, check_memory, checkout, find_engine
from tandem.platforms.compose.images import choose_images
from tandem.platforms.log_line import LogLine
from tandem.platforms.observe import has_committed, lag_of, reconcile_report, status
from tandem.platforms.ports import check_ports
from tandem.platforms.progress import ProgressReader
from tandem.platforms.reload import reload
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for

_log = structlog.get_logger(__name__)


class ComposePlatform:
    """Kafka, MongoDB and a Spark cluster as containers: life cycle by Compose, inspection by the engine.

    Args:
        settings: of a profile with the backend ``compose``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def up(self, wait: bool = True, deadline_s: float = START_DEADLINE_S) -> None:
        """Starts everything but the producers; see ``Platform.up``."""
        if state_of(self._containers.of(self._project).get("job")) != "running":
            check_memory(self._engine)
            if not any(state_of(each) == "running" for each in self._containers.of(self._project).values()):
                check_ports(self._ports())
        # Also when it runs: what is missing or was changed is put right, and nothing else is touched.
        self._start("up", "--detach", "--wait", "job")
        # Apart from the others: whether it comes up matters to none of them.
        if self._chosen().run("up", "--detach", "--no-deps", "dashboard") != 0:
            _log.warning("the dashboard could not be started", hint="`tandem logs dashboard`")
        if wait:
            self._wait_until_ready(deadline_s)

    def down(self, volumes: bool = False) -> None:
        """Stops and removes the containers, the producers too; see ``Platform.down``."""
        self._compose(None).run("--profile", "history", "--profile", "local", "down", "--remove-orphans")
        if volumes:
            # Those of both kinds of images, which Compose would not find at once.
            for volume in self._containers.volumes(self._project):
                try:
                    volume.remove()
                except APIError as error:
                    raise TandemError(
                        f"the volume {volume.name} is kept: {error.explanation}",
                        hint=f"`docker ps --all --filter volume={volume.name}` names the container that uses it",
                    ) from None

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Platform.status``."""
        reader = ProgressReader(self._settings.mongo, self._settings.pipeline)
        try:
            job = self._containers.of(self._project).get("job")
            newest = reader.newest() if reader.answers() else None
            mine = self._of_this_run(job, newest)
            state = state_of(job)
            behind = lag_of(self._settings, newest) if newest else None
            return status(
                self._settings,
                state="starting" if state == "running" and mine is None else state,
                driver=job.short_id if job else None,
                ready=behind is not None and has_committed(self._settings, mine),
                newest=newest,
                behind=behind,
                problem=self.problem(),
                dashboard=state_of(self._containers.of(self._project).get("dashboard")) == "running",
            )
        finally:
            reader.close()

    def reconcile(self) -> dict[str, Any]:
        """Repairs what late records have left, in a container of its own; see ``Platform.reconcile``."""
        if state_of(self._containers.of(self._project).get("kafka")) != "running":
            raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
        return reconcile_report(*self._chosen().output_of("run", "--rm", "--no-deps", "--no-TTY", "reconcile"))

    def problem(self) -> str | None:
        """Returns why a container does not stay up; see ``Platform.problem``."""
        for name, container in self._containers.of(self._project).items():
            if container.attrs["State"].get("Restarting"):
                return f"{name} is started again and again: {logs.essence(container)}"
        return None

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the containers' log lines; see ``Platform.logs``."""
        found = self._containers.of(self._project)
        if unknown := sorted(set(services) - set(found)):
            known = ", ".join(sorted(found)) or "none: nothing was started"
            raise UsageError(f"there is no service {unknown[0]!r}", hint=f"choose from: {known}")
        return logs.merged({name: found[name] for name in services or sorted(found)}, follow, since)

    def restart_job(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Prepares anew, with the settings as they are now, and starts a new driver; see ``Platform.restart_job``."""
        if state_of(self._containers.of(self._project).get("kafka")) != "running":
            raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
        self._start("run", "--rm", "--no-deps", "setup")
        self._start("up", "--detach", "--no-deps", "--force-recreate", "job")
        self._wait_until_ready(deadline_s)

    def reload_job(self) -> None:
        """Lets the job go on with new code, which is mounted; see ``Reloading.reload_job``."""
        driver = self._containers.of(self._project).get("job")
        if driver is None or state_of(driver) != "running":
            raise EnvironmentNotReadyError("no job runs", hint="`tandem submit` starts one")
        reload(self._settings, lambda: driver.kill(signal=RELOAD.name))

    @cached_property
    def _engine(self) -> Engine:
        return find_engine()

    @cached_property
    def _containers(self) -> Containers:
        return Containers(self._engine)

    @cached_property
    def _project(self) -> str:
        folder = checkout()
        return self._settings.project or self._containers.project_of(folder) or project_name(folder)

    def _compose(self, images: str | None) -> Compose:
        return Compose(checkout(), self._project, variables(self._settings, images))

    def _chosen(self) -> Compose:
        """Returns Compose with the kind of images that is, or will be, in use."""
        images = self._settings.images or choose_images(self._compose(None), self._containers, self._project)
        return self._compose(images)

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
        if self._chosen().run(*arguments) == 0:
            return
        hint = "the lines above are Compose's own; `tandem logs` shows what the services said"
        for name, container in self._containers.of(self._project).items():
            state = container.attrs["State"]
            sick = (state.get("Health") or {}).get("Status") == "unhealthy"
            if sick or state.get("Restarting") or (state["Status"] == "exited" and state["ExitCode"] != 0):
                what = "is unhealthy" if sick else f"ended with exit code {state['ExitCode']}"
                raise EnvironmentNotReadyError(f"{name} {what}: {logs.essence(container)}", hint=hint)
        raise EnvironmentNotReadyError("the containers could not be started", hint=hint)

    def _wait_until_ready(self, deadline_s: float) -> None:
        reader = ProgressReader(self._settings.mongo, self._settings.pipeline)

        def probe() -> None:
            job = self._containers.of(self._project).get("job")
            if not has_committed(self._settings, self._of_this_run(job, reader.newest())):
                raise NotYetError(f"the job's container is {job.status if job else 'not there'}")

        try:
            what = "the job's first committed batch"
            wait_for(what, probe, deadline_s=deadline_s, hint="look at `tandem logs job`", interval_s=0.3)
        finally:
            reader.close()

    def _of_this_run(self, job: Any | None, newest: dict[str, Any] | None) -> dict[str, Any] | None:
        """Returns the newest progress document when the driver that runs now wrote it."""
        if job is None or newest is None or state_of(job) != "running" or newest["at"] < started_at(job):
            return None
        return newest
