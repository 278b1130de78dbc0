"""The Compose project of a checkout: which pipelines' jobs are in it, and Compose as it is told of all of them."""

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
    """Everything about it is asked of the engine; nothing is kept elsewhere.

    Args:
        settings: of the pipeline that a command is about.
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
        """Returns a service's container, also a stopped one."""
        return self.containers.of(self.name).get(service)

    def jobs(self) -> dict[str, str]:
        """Returns the pipelines that have a job's container, the first one first, each with its service."""
        return job_services(self.containers.of(self.name))

    def running(self) -> list[str]:
        """Returns those of them that run, or are started again and again."""
        found = self.containers.of(self.name)
        return [pipeline for pipeline, service in job_services(found).items() if state_of(found[service]) != "stopped"]

    def own(self, service: str) -> str:
        """Returns what one of the services is called for this command's pipeline."""
        jobs, mine = self.jobs(), self._settings.pipeline
        return service if JOB in (jobs.get(mine), None if jobs else JOB) else named(service, mine)

    def page_port(self, service: str) -> int | None:
        """Returns where on this machine the page of a driver or the master is; None when it has no container."""
        container = self.container(service)
        bindings = container.attrs["HostConfig"]["PortBindings"] if container else None
        bound = bindings and bindings.get(_MASTER_PAGE if service == _MASTER else _PAGE)
        return int(bound[0]["HostPort"]) if bound else None

    def check(self) -> None:
        """Raises when this command's pipeline does not run.

        Raises:
            EnvironmentNotReadyError: the message names those that do.
        """
        jobs, mine = self.jobs(), self._settings.pipeline
        if state_of(self.container("kafka")) != "running" or not jobs:
            raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
        if mine not in jobs:
            raise EnvironmentNotReadyError(
                f"this environment runs {', '.join(jobs)}, not {mine}",
                hint=f"`tandem --pipeline {mine} up` starts it beside; or name another: --pipeline {next(iter(jobs))}",
            )

    def plain(self) -> Compose:
        """Returns Compose with nothing but the compose files and what ``.env`` says of images."""
        return Compose(checkout(), self.name, variables(self._settings, None))

    def compose(self, without: str | None = None) -> Compose:
        """Returns Compose with the kind of images that is, or will be, in use, and all pipelines' services.

        Args:
            without: a pipeline that is to be left out.
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
        """Returns a pipeline's settings, with the ports that Spark's pages have or are to have."""
        mine = self._settings
        settings = mine if pipeline == mine.pipeline else load(mine.profile, {"pipeline": pipeline}, named=False)
        jobs = self.jobs()
        service = jobs.get(pipeline, JOB if not jobs else named(JOB, pipeline))
        master = self._port(_MASTER, settings.ui.master_port)
        driver = self._port(service, mine.ui.spark_port + (service != JOB), master)
        ui = settings.ui.model_copy(update={"master_port": master, "spark_port": driver})
        return settings.model_copy(update={"ui": ui})

    def _port(self, service: str, wanted: int, *taken: int) -> int:
        """Returns the port of a page that runs, else one that is free; a container's start fails with a busy one."""
        container, mine = self.container(service), self._settings
        if container and container.attrs["State"]["Running"]:
            return self.page_port(service) or wanted
        pages = (mine.ui.spark_port, mine.ui.master_port, mine.ui.dashboard_port)
        return page_port(wanted, {mine.kafka.port, mine.mongo.port, *pages, *taken} - {wanted})
