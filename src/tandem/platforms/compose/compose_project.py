"""The Compose project of a folder, with the services of all pipelines."""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from typing import Any

from docker.errors import APIError

from tandem.errors import TandemError
from tandem.platforms.base import Stopped
from tandem.platforms.compose.cli import Compose, project_name, variables
from tandem.platforms.compose.containers import KAFKA, Containers, state_of
from tandem.platforms.compose.engine import Engine, find_engine
from tandem.platforms.compose.images import choose_images
from tandem.platforms.compose.job_services import JobServices, added_to_compose, job_services
from tandem.platforms.compose.project_folder import project_folder
from tandem.platforms.ownership import PROFILE_LABEL, check_containers, check_project, check_volumes
from tandem.platforms.ports import page_port
from tandem.platforms.running import check_running
from tandem.settings.load import load
from tandem.settings.model import Settings

# Of the pages of a driver and of the master, inside their containers.
_PAGE, _MASTER_PAGE = "4040/tcp", "8080/tcp"
_MASTER = "spark-master"
# By name: the service with the port, the program behind it, and the port inside the container.
_PAGES = {
    "spark_master": (_MASTER, _MASTER, _MASTER_PAGE),
    "spark_history": ("spark-history", "spark-history", "18080/tcp"),
    "kafka_ui": ("ui", "kafka-ui", "8081/tcp"),
    "mongo_ui": ("ui", "mongo-ui", "8082/tcp"),
    "prometheus": ("prometheus", "prometheus", "9090/tcp"),
    "grafana": ("grafana", "grafana", "3000/tcp"),
}
# Of the services that may run beside those of the cloud.
_PROFILES = ("history", "observe", "registry", "ui", "gcp-ui", "local")
# Volumes of services that only watch. `docker compose --profile observe up` gives them the profile that .env names,
# and not that of the pipeline beside it.
_WATCHING = ("prometheus", "grafana", "ui-conf", "cloud-ui-conf")
# Compose's own label with a volume's name in the compose files.
_VOLUME = "com.docker.compose.volume"


class Project:
    """A Compose project, whose whole state is in the engine.

    Args:
        settings: the settings of the profile.
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
        """The project's name.

        Raises:
            UsageError: containers or volumes of another profile or program have it.
        """
        folder, mine = project_folder(), self._settings
        name = mine.project or self.containers.project_of(folder, mine) or project_name(folder, mine)
        containers = {service: each.labels for service, each in self.containers.of(name).items()}
        owned = [containers[KAFKA]] if KAFKA in containers else self._labels_of_volumes(name).values()
        for labels in owned:
            check_project(mine, name, labels, folder)
        check_containers(name, containers, folder)
        return name

    def container(self, service: str) -> Any | None:
        """Returns a service's container, even if it is stopped."""
        return self.containers.of(self.name).get(service)

    def jobs(self) -> dict[str, JobServices]:
        """Returns the services of each pipeline with a job's container.

        The first pipeline comes first.
        """
        return job_services(self.containers.of(self.name))

    def running(self) -> list[str]:
        """Returns the pipelines whose jobs run or keep restarting."""
        own = self.containers.of(self.name)
        return [name for name, services in job_services(own).items() if state_of(own[services.job]) != "stopped"]

    def services_of(self, pipeline: str) -> JobServices:
        """Returns the services of a pipeline's job, or those that it will have."""
        jobs = self.jobs()
        return jobs.get(pipeline) or (JobServices.beside_others(pipeline) if jobs else JobServices(pipeline))

    def check_running(self, pipeline: str) -> None:
        """Raises if a pipeline's job does not run; see ``running.check_running``."""
        jobs = self.jobs() if state_of(self.container("kafka")) == "running" else {}
        check_running(pipeline, list(jobs))

    def page_port(self, service: str) -> int | None:
        """Returns the port of a driver's or the master's page on this machine.

        None without a container.
        """
        return _host_port(self.container(service), _MASTER_PAGE if service == _MASTER else _PAGE)

    def pages(self) -> dict[str, str]:
        """Returns the URLs of the pages that run, by name.

        Those of the jobs and of the dashboard are not among them.
        """
        containers, found = self.containers.of(self.name), {}
        for name, (service, program, port) in _PAGES.items():
            if state_of(containers.get(program)) == "running" and (bound := _host_port(containers.get(service), port)):
                found[name] = f"http://127.0.0.1:{bound}"
        return found

    def plain(self) -> Compose:
        """Returns Compose with only the compose files and the images that ``.env`` names."""
        return Compose(project_folder(), self.name, variables(self._settings, None))

    def down(self, volumes: bool) -> Stopped:
        """Stops and removes all containers, and returns what that has done.

        Args:
            volumes: also remove the volumes.

        Raises:
            UsageError: the volumes may be of another profile or program; nothing is stopped.
        """
        if volumes:
            check_volumes(self._settings, self.name, self._labels_of_volumes(self.name), project_folder())
        ran = bool(self.containers.of(self.name))
        profiles = chain.from_iterable(("--profile", name) for name in _PROFILES)
        if self.plain().run(*profiles, "down", "--remove-orphans") != 0:
            raise TandemError("some containers could not be stopped", hint="see Compose's output above, and try again")
        removed: list[str] = []
        if volumes:
            # Of both kinds of images; Compose would find only one of them.
            for volume in self.containers.volumes(self.name):
                try:
                    volume.remove()
                    removed.append(volume.name)
                except APIError as error:
                    raise TandemError(
                        f"the volume {volume.name} is kept: {error.explanation}",
                        hint=f"`docker ps --all --filter volume={volume.name}` shows the container that uses it",
                    ) from None
        return Stopped(ran, f"the volumes {', '.join(sorted(removed))}" if removed else "")

    def compose(self, settings: Settings, without: str | None = None) -> Compose:
        """Returns Compose with the images in use and the services of all pipelines.

        Args:
            settings: the settings of the command's pipeline.
            without: a pipeline to leave out.
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
                values = variables(self.settings_of(pipeline, settings), images) | {"COMPOSE_PROFILES": "local,tools"}
                models[pipeline] = Compose(project_folder(), self.name, values).model()["services"]
        pages = [] if first in (None, without) else [first]
        return Compose(project_folder(), self.name, own, added_to_compose(models, pages))

    def settings_of(self, pipeline: str, mine: Settings) -> Settings:
        """Returns a pipeline's settings, with the ports of Spark's pages.

        Args:
            pipeline: the pipeline's name.
            mine: the settings of the command's pipeline.
        """
        settings = mine if pipeline == mine.pipeline else load(mine.profile, {"pipeline": pipeline}, named=False)
        services = self.services_of(pipeline)
        master = self._port(mine, _MASTER, settings.ui.master_port)
        driver = self._port(mine, services.job, mine.ui.spark_port + bool(services.suffix), master)
        ui = settings.ui.model_copy(update={"master_port": master, "spark_port": driver})
        return settings.model_copy(update={"ui": ui})

    def _labels_of_volumes(self, name: str) -> dict[str, dict[str, str]]:
        """Returns the labels of the volumes that show whose a project is, by volume."""
        found = {each.name: each.attrs.get("Labels") or {} for each in self.containers.volumes(name)}
        return {
            volume: labels
            for volume, labels in found.items()
            if not (labels.get(PROFILE_LABEL) and labels.get(_VOLUME) in _WATCHING)
        }

    def _port(self, mine: Settings, service: str, wanted: int, *taken: int) -> int:
        """Returns the port of a running page, else a free one.

        A container cannot start with a busy port.
        """
        container = self.container(service)
        if container and container.attrs["State"]["Running"]:
            return self.page_port(service) or wanted
        pages = (mine.ui.spark_port, mine.ui.master_port, mine.ui.dashboard_port)
        return page_port(wanted, {mine.kafka.port, mine.mongo.port, *pages, *taken} - {wanted})


def _host_port(container: Any | None, port: str) -> int | None:
    """Returns the port of this machine for a container's port; None if there is none."""
    bindings = container.attrs["HostConfig"]["PortBindings"] if container else None
    bound = bindings and bindings.get(port)
    return int(bound[0]["HostPort"]) if bound else None
