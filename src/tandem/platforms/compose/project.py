"""The Compose project of a checkout: its jobs, and Compose with the services of all pipelines."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.compose.cli import Compose, project_name, variables
from tandem.platforms.compose.containers import Containers, state_of
from tandem.platforms.compose.engine import Engine, checkout, find_engine
from tandem.platforms.compose.further import JOB, job_services, named, services
from tandem.platforms.compose.images import choose_images
from tandem.platforms.ports import page_port
from tandem.settings.load import load
from tandem.settings.model import Settings

# Of the pages of a driver and of the master, inside their containers.
_PAGE, _MASTER_PAGE = "4040/tcp", "8080/tcp"
_MASTER = "spark-master"


class Project:
    """A Compose project, whose whole state is in the engine.

    Args:
        settings: the settings of the command's pipeline.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def engine(self) -> Engine:
        """The engine that answers."""
        return find_engine()

    @cached_property
    def containers(self) -> Containers:
        """The engine's containers."""
        return Containers(self.engine)

    @cached_property
    def name(self) -> str:
        """The project's name."""
        folder = checkout()
        return self._settings.project or self.containers.project_of(folder) or project_name(folder)

    def container(self, service: str) -> Any | None:
        """Returns a service's container, even if it is stopped."""
        return self.containers.of(self.name).get(service)

    def jobs(self) -> dict[str, str]:
        """Returns the job's service of each pipeline with a job's container, the first one first."""
        return job_services(self.containers.of(self.name))

    def running(self) -> list[str]:
        """Returns the pipelines whose jobs run or keep restarting."""
        found = self.containers.of(self.name)
        return [pipeline for pipeline, service in job_services(found).items() if state_of(found[service]) != "stopped"]

    def own(self, service: str) -> str:
        """Returns a service's name for this command's pipeline."""
        jobs, mine = self.jobs(), self._settings.pipeline
        return service if JOB in (jobs.get(mine), None if jobs else JOB) else named(service, mine)

    def page_port(self, service: str) -> int | None:
        """Returns the port of a driver's or the master's page on this machine; None without a container."""
        container = self.container(service)
        bindings = container.attrs["HostConfig"]["PortBindings"] if container else None
        bound = bindings and bindings.get(_MASTER_PAGE if service == _MASTER else _PAGE)
        return int(bound[0]["HostPort"]) if bound else None

    def check(self) -> None:
        """Raises if this command's pipeline does not run.

        Raises:
            EnvironmentNotReadyError: the message names the running ones.
        """
        jobs, mine = self.jobs(), self._settings.pipeline
        if state_of(self.container("kafka")) != "running" or not jobs:
            raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
        if mine not in jobs:
            raise EnvironmentNotReadyError(
                f"this environment runs {', '.join(jobs)}, not {mine}",
                hint=f"start it with `tandem --pipeline {mine} up`, or use --pipeline {next(iter(jobs))}",
            )

    def plain(self) -> Compose:
        """Returns Compose with only the compose files and the images that ``.env`` names."""
        return Compose(checkout(), self.name, variables(self._settings, None))

    def compose(self, without: str | None = None) -> Compose:
        """Returns Compose with the images in use and the services of all pipelines.

        Args:
            without: a pipeline to leave out.
        """
        images = self._settings.images or choose_images(self.plain(), self.containers, self.name)
        jobs = self.jobs()
        first = next((pipeline for pipeline, service in jobs.items() if service == JOB), None)
        further = [pipeline for pipeline in jobs if pipeline != first]
        if jobs and self._settings.pipeline not in jobs:
            further.append(self._settings.pipeline)
        shown = first or next(iter(further), self._settings.pipeline)
        own = variables(self.settings_of(shown), images)
        models = {}
        for pipeline in further:
            if pipeline != without:
                told = variables(self.settings_of(pipeline), images) | {"COMPOSE_PROFILES": "local,tools"}
                models[pipeline] = Compose(checkout(), self.name, told).model()["services"]
        pages = [] if first in (None, without) else [first]
        return Compose(checkout(), self.name, own, services(models, pages))

    def settings_of(self, pipeline: str) -> Settings:
        """Returns a pipeline's settings, with the ports of Spark's pages."""
        mine = self._settings
        settings = mine if pipeline == mine.pipeline else load(mine.profile, {"pipeline": pipeline}, named=False)
        jobs = self.jobs()
        service = jobs.get(pipeline, JOB if not jobs else named(JOB, pipeline))
        master = self._port(_MASTER, settings.ui.master_port)
        driver = self._port(service, mine.ui.spark_port + (service != JOB), master)
        ui = settings.ui.model_copy(update={"master_port": master, "spark_port": driver})
        return settings.model_copy(update={"ui": ui})

    def _port(self, service: str, wanted: int, *taken: int) -> int:
        """Returns the port of a running page, else a free one, as a container cannot start with a busy one."""
        container, mine = self.container(service), self._settings
        if container and container.attrs["State"]["Running"]:
            return self.page_port(service) or wanted
        pages = (mine.ui.spark_port, mine.ui.master_port, mine.ui.dashboard_port)
        return page_port(wanted, {mine.kafka.port, mine.mongo.port, *pages, *taken} - {wanted})
