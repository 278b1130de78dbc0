"""The interface of every platform: an environment and the jobs in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from tandem.engine.declare.replay_range import ReplayRange
from tandem.platforms.changes import ChangesSoFar
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine

START_DEADLINE_S = 240.0
# A local job's answer to ``Job.doubt``.
UNCHECKED = "only the started job finds out whether this version can resume from the checkpoint"


@dataclass(frozen=True)
class Stopped:
    """The result of a stop.

    Attributes:
        ran: whether anything was running.
        deleted: the deleted data, as part of a message; empty if there was none.
    """

    ran: bool
    deleted: str = ""


class Job(Protocol):
    """One pipeline's job in an environment. Other pipelines' jobs may run beside it.

    Every method is safe to call again.

    Attributes:
        settings: the pipeline's settings.
    """

    settings: Settings

    def submit(self) -> None:
        """Starts the services and this job, but no producers.

        Leaves alone what already runs.

        It does not wait until the job runs.

        Raises:
            EnvironmentNotReadyError: something is missing or failed; the message names it.
        """

    def wait_until_ready(self) -> None:
        """Returns when the job runs and has committed its first batch.

        Raises:
            EnvironmentNotReadyError: something failed or did not start in time; the message names it.
        """

    def stop(self) -> bool:
        """Stops the job after its current batch; the last job also stops the services.

        Returns whether there was anything to stop.
        """

    def restart(self) -> None:
        """Restarts the job after its current batch; returns when it runs.

        Raises:
            EnvironmentNotReadyError: nothing runs, or the job did not start.
        """

    def doubt(self) -> str | None:
        """Returns why it is unknown whether this version can resume; None if it can.

        None means that it was checked, or that there is nothing to resume from.

        Raises:
            TandemError: it cannot resume; the message names the reason.
        """

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``. An unknown value is None.

        Raises:
            EnvironmentNotReadyError: the Docker engine does not answer.
        """

    def problem(self) -> str | None:
        """Returns a problem that does not resolve by itself, in one line.

        None if there is none.

        Raises:
            EnvironmentNotReadyError: as ``status`` does.
        """

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect.

        Returns the report of ``engine.run.reconcile``.

        Raises:
            EnvironmentNotReadyError: the environment does not run.
            TandemError: the repair failed; it is safe to run it again.
        """

    def replay(self, span: ReplayRange) -> dict[str, Any]:
        """Computes the documents of a range of records again and stores them.

        Returns the report of ``engine.run.replay``.

        Raises:
            EnvironmentNotReadyError: the environment does not run.
            TandemError: the replay failed; it is safe to run it again.
        """


@runtime_checkable
class ReloadableJob(Job, Protocol):
    """A job that runs from this machine's files."""

    def reload(self) -> None:
        """Reloads the code in the running driver.

        Returns when it has committed a batch with it, empty or not.

        Raises:
            TandemError: the job's first batch with the new code fails.
            EnvironmentNotReadyError: no job runs.
        """


@runtime_checkable
class DeployedJob(Job, Protocol):
    """A job that is deployed to Google Cloud or its stand-ins.

    Other jobs there may belong to other users.

    Attributes:
        changes: what the command has changed so far. The job keeps it up to date while it is deployed or stopped.
    """

    changes: ChangesSoFar

    def forget(self) -> Iterator[str]:
        """Deletes the stopped pipeline's topics, collections, checkpoint and uploads.

        Topics of external streams and collections of lookups are kept.

        Yields what was deleted, as parts of a message, each after its deletion.
        """


class Environment(Protocol):
    """The services of one profile and the jobs that use them.

    A submitted job starts the missing services.

    Every method is safe to call again.
    """

    def job(self, settings: Settings) -> Job:
        """Returns a pipeline's job in this environment, whether it runs or not."""

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs run or should run here, the first one first.

        Raises:
            TandemError: a cloud or an engine does not answer. What runs is unknown then.
        """

    def stop(self, volumes: bool = False) -> Stopped:
        """Stops the services and all jobs; returns the result.

        Args:
            volumes: also delete topics, database and checkpoint, together.
        """

    def where(self) -> str:
        """Returns where the environment looks for running programs, as part of a message."""

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the services' log lines in order of time.

        Args:
            services: names of services; empty for all. ``job`` is the first named pipeline's job.
            follow: also yield new lines, until the caller stops.
            since: skip older lines; with a time zone.

        Raises:
            UsageError: a service does not exist.
        """
