"""Finds the jobs in a Google Cloud project, to keep what they share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from tandem.errors import UsageError
from tandem.platforms.base import Stopped
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.dataproc.requests import name_of
from tandem.platforms.dataproc.runs import Runs
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine


class DataprocEnvironment:
    """Jobs on Dataproc, with managed Kafka and MongoDB.

    Args:
        settings: of a profile with the backend ``dataproc``, or of the rehearsal.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._first = DataprocJob(settings)

    def job(self, settings: Settings) -> DataprocJob:
        """Returns the job of a pipeline; see ``Environment.job``."""
        return self._first if settings == self._settings else DataprocJob(settings)

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs are active; see ``Environment.pipelines``."""
        return active_pipelines(self._first.deployment.services)

    def stop(self, volumes: bool = False) -> Stopped:
        """Stops only the first named pipeline's job; see ``Environment.stop``.

        Other jobs in the project may belong to other users.
        """
        ran = self._settings.pipeline in self.pipelines()
        self._first.stop()
        return Stopped(ran, ", ".join(self._first.forget()) if volumes else "")

    def where(self) -> str:
        """Returns the project and the region; see ``Environment.where``."""
        return f"project {self._settings.gcp.project}, region {self._settings.gcp.region}"

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the output of the newest job's driver; see ``Environment.logs``."""
        if unknown := sorted(set(services) - {"job"}):
            raise UsageError(
                f"there is no service {unknown[0]!r} here", hint="only the job's log is available here: job"
            )
        return self._first.logs(follow, since)

    def close(self) -> None:
        """Closes the connection to Dataproc; a new one is opened when needed."""
        self._first.close()


def active_pipelines(services: Iterable[Runs]) -> list[str]:
    """Returns the pipelines with an active stream.

    The one that has run longest comes first.

    Args:
        services: the runs in both of Dataproc's services.

    Raises:
        TandemError: Google does not answer or denies access. What runs is unknown then.
    """
    streams = [run for service in services for run in service.active_streams()]
    streams.sort(key=lambda run: run.since.timestamp() if run.since else 0.0)
    return list(dict.fromkeys(name_of(run.pipeline) for run in streams))
