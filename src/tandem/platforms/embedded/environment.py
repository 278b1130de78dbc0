"""Starts, inspects and stops the embedded environment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from tandem.errors import UsageError
from tandem.platforms.base import Stopped
from tandem.platforms.embedded.job import EmbeddedJob
from tandem.platforms.local_services.layout import JOB, SERVICES, Layout
from tandem.platforms.local_services.prepare import prepare
from tandem.platforms.local_services.supervisor_process import SupervisorProcess
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine
from tandem.supervision.logs import merged
from tandem.supervision.state_folder import SUPERVISOR


class EmbeddedEnvironment:
    """Kafka, MongoDB and the jobs as local processes under one supervisor.

    Args:
        settings: of a profile with the backend ``embedded``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._layout = Layout(settings.home)
        self._supervisor = SupervisorProcess(self._layout, "tandem.platforms.embedded.supervisor", prepare)

    def job(self, settings: Settings) -> EmbeddedJob:
        """Returns the job of a pipeline; see ``Environment.job``."""
        return EmbeddedJob(settings, self._layout, self._supervisor)

    def pipelines(self) -> list[str]:
        """Returns the pipelines that are to run; see ``Environment.pipelines``."""
        return self._supervisor.pipelines()

    def stop(self, volumes: bool = False) -> Stopped:
        """Stops everything, also services that a killed supervisor left; see ``Environment.stop``."""
        return self._supervisor.stop(forget=volumes)

    def where(self) -> str:
        """Returns the state folder; see ``Environment.where``."""
        return f"processes with their state in {self._layout.home}"

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the log lines of the services and the ``supervisor``; see ``Environment.logs``.

        ``job`` is the first named pipeline's, where it has run here.
        """
        others = self._layout.other_jobs()
        known = (*SERVICES, *others, SUPERVISOR)
        if unknown := sorted(set(services) - set(known)):
            raise UsageError(f"there is no service {unknown[0]!r}", hint=f"choose from: {', '.join(known)}")
        service = self._layout.job(self._settings.pipeline)
        own = service if service in others else JOB
        wanted = [own if name == JOB else name for name in services] or known
        return merged({name: self._layout.log(name) for name in wanted}, follow, since)
