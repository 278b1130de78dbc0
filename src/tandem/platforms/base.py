"""What every platform offers: an environment, and the jobs in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine

START_DEADLINE_S = 240.0


class Job(Protocol):
    """One pipeline's job in an environment; other jobs may run beside it.

    Every method may be called again without harm.

    Attributes:
        settings: the pipeline's.
    """

    settings: Settings

    def submit(self) -> None:
        """Starts the job, and the environment's services that do not run, except the producers.

        It does not wait for the job. Nothing happens when it already runs.

        Raises:
            EnvironmentNotReadyError: something is missing or failed; the message names it.
        """

    def wait_until_ready(self) -> None:
        """Returns when the job runs and has committed its first batch.

        Raises:
            EnvironmentNotReadyError: something failed or did not come in time; the message names it.
        """

    def stop(self) -> None:
        """Stops the job after its batch, and what no other job needs: the whole environment when it has no other."""

    def restart(self) -> None:
        """Stops the job after its batch and starts it anew; returns when it runs.

        Raises:
            EnvironmentNotReadyError: nothing runs, or the job did not come up.
        """

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``. What is not known is None.

        Raises:
            EnvironmentNotReadyError: nothing can be asked: the engine that containers run on does not answer.
        """

    def problem(self) -> str | None:
        """Returns what is wrong with the job or its services and needs a fix, in one line; None for nothing.

        Raises:
            EnvironmentNotReadyError: as ``status`` does.
        """

    def reconcile(self) -> dict[str, Any]:
        """Returns what was inserted and removed because records came late: the report of ``engine.run.reconcile``.

        Raises:
            EnvironmentNotReadyError: the environment does not run.
            TandemError: it failed; to do it again is safe.
        """


@runtime_checkable
class ReloadableJob(Job, Protocol):
    """A job that reads its code from this machine's files."""

    def reload(self) -> None:
        """Loads the code anew in the running driver; returns when it has committed a batch with it, empty or not.

        Raises:
            TandemError: the job cannot start with it, and why; it waits for the next change.
            EnvironmentNotReadyError: no job runs.
        """


@runtime_checkable
class DeployedJob(Job, Protocol):
    """A job in Google Cloud, or on its stand-ins, whose data can be deleted without that of others."""

    def forget(self) -> None:
        """Deletes the topics, collections, checkpoint and uploads of the pipeline, whose job was stopped."""


class Environment(Protocol):
    """The services of one profile, and the jobs that run in it. A job starts those that do not run yet.

    Every method may be called again without harm.
    """

    def job(self, settings: Settings) -> Job:
        """Returns the job of a pipeline in this environment, whether it runs or not."""

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs run, or are to run, the first one first. It does not raise."""

    def stop(self, volumes: bool = False) -> bool:
        """Stops everything, all jobs too, and returns whether anything was running.

        Args:
            volumes: also forget topics, database and checkpoint, together.
        """

    def where(self) -> str:
        """Returns where the environment looks for what runs, as a message names it."""

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the services' log lines in the order of their times.

        Args:
            services: whose; ``job`` is the job of the first pipeline that a command names. Empty for all.
            follow: go on with what is written from now on, until the caller stops.
            since: leave out what is older; with a time zone.

        Raises:
            UsageError: there is no such service.
        """
