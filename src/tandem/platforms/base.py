"""The interface of every platform."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from tandem.supervision.log_line import LogLine

START_DEADLINE_S = 240.0


class Platform(Protocol):
    """Starts, inspects and stops one environment and one pipeline's job in it.

    Every method is safe to call again. Other pipelines' jobs may run in the same environment.
    """

    def up(self, wait: bool = True, deadline_s: float = START_DEADLINE_S) -> None:
        """Starts the services and this pipeline's job; leaves alone what already runs.

        Args:
            wait: return only when the job runs and has committed its first batch.
            deadline_s: how long to wait, in seconds.

        Raises:
            EnvironmentNotReadyError: something is missing, failed or did not start in time; the message names it.
        """

    def wait_until_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Returns when the job runs and has committed its first batch; see ``up``."""

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs run or should run here, the first one first.

        It does not raise.
        """

    def leave(self) -> None:
        """Stops this pipeline's job, and the environment if no other job is left."""

    def down(self, volumes: bool = False) -> bool:
        """Stops the environment with all jobs, and returns whether anything was running.

        Args:
            volumes: also delete topics, database and checkpoint, together.
        """

    def where(self) -> str:
        """Returns where the platform looks for running programs, as part of a message."""

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``. An unknown value is None.

        Raises:
            EnvironmentNotReadyError: the Docker engine does not answer.
        """

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect; returns the report of ``engine.run.reconcile``.

        Raises:
            EnvironmentNotReadyError: the environment does not run.
            TandemError: the repair failed; it is safe to run it again.
        """

    def problem(self) -> str | None:
        """Returns a problem that does not resolve by itself, in one line; None if there is none.

        Raises:
            EnvironmentNotReadyError: as ``status`` does.
        """

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the services' log lines in order of time.

        Args:
            services: names of services; empty for all.
            follow: also yield new lines, until the caller stops.
            since: skip older lines; with a time zone.

        Raises:
            UsageError: a service does not exist.
        """

    def restart_job(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Restarts the job after its current batch; returns when it runs.

        Raises:
            EnvironmentNotReadyError: nothing runs, or the job did not start.
        """


@runtime_checkable
class Deployed(Protocol):
    """A platform in the cloud, to which each job is deployed separately."""

    def destroy(self, data: bool = False) -> None:
        """Stops this pipeline's job after its current batch and deletes the resources that no other job needs.

        Args:
            data: also delete the pipeline's topics, collections, checkpoint and uploads.
        """
