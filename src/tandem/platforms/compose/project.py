"""The Compose project of a checkout: its containers, the jobs among them, and Compose as it is told of all jobs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from docker.errors import APIError

from tandem.errors import TandemError
from tandem.platforms.compose.cli import Compose, project_name, variables
from tandem.platforms.compose.containers import Containers, state_of
from tandem.platforms.compose.engine import Engine, checkout, find_engine
from tandem.platforms.compose.images import choose_images
from tandem.platforms.compose.job_services import JobServices, added_to_compose, job_services
from tandem.platforms.ports import page_port
from tandem.platforms.running import check_running
from tandem.settings.load import load
from tandem.settings.model import Settings

# Of the pages of a driver and of the master, inside their containers.
_PAGE, _MASTER_PAGE = "4040/tcp", "8080/tcp"
_MASTER = "spark-master"


class Project:
    """Everything about it is asked of the engine; nothing is kept elsewhere.

    Args:
        settings: the profile's.
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

    def jobs(self) -> dict[str, JobServices]:
        """Returns the pipelines that have a job's container, the first one first, each with its services."""
        return job_services(self.containers.of(self.name))

    def running(self) -> list[str]:
        """Returns those of them that run, or are started again and again."""
        found = self.containers.of(self.name)
        return [name for name, services in job_services(found).items() if state_of(found[services.job]) != "stopped"]

    def services_of(self, pipeline: str) -> JobServices:
        """Returns the services that a pipeline's job has, or is to have."""
        jobs = self.jobs()
        return jobs.get(pipeline) or (JobServices.beside_others(pipeline) if jobs else JobServices(pipeline))

    def check_running(self, pipeline: str) -> None:
        """Raises when a pipeline's job does not run; see ``running.check_running``."""
        jobs = self.jobs() if state_of(self.container("kafka")) == "running" else {}
        check_running(pipeline, list(jobs))

    def page_port(self, service: str) -> int | None:
        """Returns where on this machine the page of a driver or the master is; None when it has no container."""
        container = self.container(service)
        bindings = container.attrs["HostConfig"]["PortBindings"] if container else None
        bound = bindings and bindings.get(_MASTER_PAGE if service == _MASTER else _PAGE)
        return int(bound[0]["HostPort"]) if bound else None

    def plain(self) -> Compose:
        """Returns Compose with nothing but the compose files and what ``.env`` says of images."""
        return Compose(checkout(), self.name, variables(self._settings, None))

    def down(self, volumes: bool) -> bool:
        """Removes all containers, and the volumes if asked to; returns whether there was a container."""
        ran = bool(self.containers.of(self.name))
        if self.plain().run("--profile", "history", "--profile", "local", "down", "--remove-orphans") != 0:
            raise TandemError("not everything could be stopped", hint="the lines above are Compose's own; try again")
        if volumes:
            # Those of both kinds of images, which Compose would not find at once.
            for volume in self.containers.volumes(self.name):
                try:
                    volume.remove()
                except APIError as error:
                    raise TandemError(
                        f"the volume {volume.name} is kept: {error.explanation}",
                        hint=f"`docker ps --all --filter volume={volume.name}` names the container that uses it",
                    ) from None
        return ran

    def compose(self, settings: Settings, without: str | None = None) -> Compose:
        """Returns Compose with the kind of images that is, or will be, in use, and all jobs' services.

        Args:
            settings: of the job that a command is about.
            without: a pipeline that is to be left out.
        """
        images = self._settings.images or choose_images(self.plain(), self.containers, self.name)
        jobs = self.jobs()
        first = next((pipeline for pipeline, services in jobs.items() if not services.suffix), None)
        others = [pipeline for pipeline in jobs if pipeline != first]
        if jobs and settings.pipeline not in jobs:
            others.append(settings.pipeline)
        shown = first or next(iter(others), settings.pipeline)
        own = variables(self.settings_of(shown, settings), images)
        models = {}
        for pipeline in others:
            if pipeline != without:
                told = variables(self.settings_of(pipeline, settings), images) | {"COMPOSE_PROFILES": "local,tools"}
                models[pipeline] = Compose(checkout(), self.name, told).model()["services"]
        pages = [] if first in (None, without) else [first]
        return Compose(checkout(), self.name, own, added_to_compose(models, pages))

    def settings_of(self, pipeline: str, mine: Settings) -> Settings:
        """Returns a pipeline's settings, with the ports that Spark's pages have or are to have.

        Args:
            pipeline: which.
            mine: the settings of the job that a command is about.
        """
        settings = mine if pipeline == mine.pipeline else load(mine.profile, {"pipeline": pipeline}, named=False)
        services = self.services_of(pipeline)
        master = self._port(mine, _MASTER, settings.ui.master_port)
        driver = self._port(mine, services.job, mine.ui.spark_port + bool(services.suffix), master)
        ui = settings.ui.model_copy(update={"master_port": master, "spark_port": driver})
        return settings.model_copy(update={"ui": ui})

    def _port(self, mine: Settings, service: str, wanted: int, *taken: int) -> int:
        """Returns the port of a page that runs, else one that is free; a container's start fails with a busy one."""
        container = self.container(service)
        if container and container.attrs["State"]["Running"]:
            return self.page_port(service) or wanted
        pages = (mine.ui.spark_port, mine.ui.master_port, mine.ui.dashboard_port)
        return page_port(wanted, {mine.kafka.port, mine.mongo.port, *pages, *taken} - {wanted})
