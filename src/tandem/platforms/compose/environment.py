"""Inspects and stops the environment of containers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from tandem.errors import UsageError
from tandem.platforms.base import Stopped
from tandem.platforms.compose import container_logs
from tandem.platforms.compose.compose_project import Project
from tandem.platforms.compose.job import ComposeJob
from tandem.platforms.compose.job_services import JOB
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine


class ComposeEnvironment:
    """Kafka, MongoDB and a Spark cluster as containers.

    Compose starts and stops them, and the engine inspects them.

    Args:
        settings: of a profile with the backend ``compose``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._project = Project(settings)

    def job(self, settings: Settings) -> ComposeJob:
        """Returns the job of a pipeline; see ``Environment.job``."""
        return ComposeJob(settings, self._project)

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs have a container that runs.

        See ``Environment.pipelines``.
        """
        return self._project.running()

    def stop(self, volumes: bool = False) -> Stopped:
        """Stops and removes the containers, the producers too; see ``Environment.stop``."""
        return self._project.down(volumes)

    def where(self) -> str:
        """Returns the Compose project; see ``Environment.where``."""
        return f"containers of the Compose project {self._project.name}"

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the containers' log lines; see ``Environment.logs``."""
        by_service = self._project.containers.of(self._project.name)
        own = self._project.services_of(self._settings.pipeline).job
        # Of several jobs, the first named pipeline's.
        services = [own if name == JOB and own in by_service else name for name in services]
        if unknown := sorted(set(services) - set(by_service)):
            known = ", ".join(sorted(by_service)) or "none, because nothing was started"
            raise UsageError(f"there is no service {unknown[0]!r}", hint=f"choose from: {known}")
        return container_logs.merged({name: by_service[name] for name in services or sorted(by_service)}, follow, since)
