"""Finds the project's containers and volumes by Compose's labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import finalize

import docker
from docker.errors import DockerException, NotFound

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.compose.engine import Engine
from tandem.platforms.ownership import FOLDER_LABEL, owns
from tandem.settings.model import Settings

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_ONE_OFF = "com.docker.compose.oneoff"
# Containers that only watch a cloud environment have none.
KAFKA = "kafka"
# The first word of compose/spark/job.sh if the job must not be restarted.
_FAILED = "failed: "


class Containers:
    """Inspects containers; starts and stops none.

    Args:
        engine: the Docker engine.
    """

    def __init__(self, engine: Engine) -> None:
        with _answering():
            self._client = docker.DockerClient(base_url=engine.host)
        # Closes the connections when Python deletes the client. The containers and volumes that it found keep it.
        finalize(self._client, self._client.api.close)

    def info(self) -> dict[str, Any]:
        """Returns the engine's information about itself."""
        with _answering():
            return dict(self._client.info())

    def project_of(self, folder: Path, settings: Settings) -> str | None:
        """Returns the project whose Kafka was created from this folder for a profile.

        See ``owns``.
        """
        brokers = self._list({FOLDER_LABEL: str(folder), _SERVICE: KAFKA})
        return next((each.labels[_PROJECT] for each in brokers if owns(settings, each.labels, folder)), None)

    def of(self, project: str) -> dict[str, Any]:
        """Returns the project's containers by service, stopped ones too."""
        return {each.labels[_SERVICE]: each for each in self._list({_PROJECT: project, _ONE_OFF: "False"})}

    def run_in(self, project: str, service: str, *command: str) -> tuple[int, str] | None:
        """Returns exit code and output of a command in a service's container.

        None if it is not running.
        """
        container = self.of(project).get(service)
        if container is None or container.status != "running":
            return None
        code, output = container.exec_run(list(command))
        return int(code), output.decode(errors="replace")

    def volumes(self, project: str) -> list[Any]:
        """Returns the project's volumes."""
        with _answering():
            return list(self._client.volumes.list(filters={"label": f"{_PROJECT}={project}"}))

    def has_image(self, name: str) -> bool:
        """Returns whether an image is on this machine."""
        try:
            self._client.images.get(name)
        except NotFound:
            return False
        return True

    def image_sizes(self, project: str) -> dict[str, int]:
        """Returns the bytes of the images of a project, by their names without tags."""
        with _answering():
            images = [each.image for each in self.of(project).values()]
            return {each.tags[0].rpartition(":")[0]: int(each.attrs["Size"]) for each in images if each.tags}

    def _list(self, labels: dict[str, str]) -> list[Any]:
        wanted = [f"{name}={value}" for name, value in labels.items()]
        with _answering():
            return list(self._client.containers.list(all=True, filters={"label": wanted}, ignore_removed=True))


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (DockerException, OSError) as error:  # the library lets connection errors through
        raise EnvironmentNotReadyError(
            f"the Docker engine does not answer: {error}", hint="is Docker running?"
        ) from None


def started_at(container: Any) -> datetime:
    """Returns the start of a container's current run."""
    return datetime.fromisoformat(container.attrs["State"]["StartedAt"])


def failure_of(container: Any) -> str | None:
    """Returns why the job in a container must not be restarted, from its health check.

    Else None.

    Such a container keeps running (compose/spark/job.sh): its restart policy would restart the job after every exit.
    """
    checks = (container.attrs["State"].get("Health") or {}).get("Log") or ()
    # The engine keeps the results of earlier runs.
    own = [check for check in checks if datetime.fromisoformat(check["Start"]) >= started_at(container)]
    output = own[-1]["Output"].strip() if own and container.attrs["State"]["Running"] else ""
    return output.removeprefix(_FAILED) if output.startswith(_FAILED) else None


def state_of(container: Any | None) -> str:
    """Returns a container's state as ``tandem status`` shows it."""
    if container is None:
        return "stopped"
    state = container.attrs["State"]
    if state.get("Restarting") or failure_of(container):
        return "failed"
    return "running" if state["Running"] and not state.get("Paused") else "stopped"
