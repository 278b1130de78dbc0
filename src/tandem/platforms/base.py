"""What every platform can do."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from tandem.supervision.log_line import LogLine

START_DEADLINE_S = 240.0


class Platform(Protocol):
    """Starts, inspects and stops one environment, and in it one pipeline's job; others may run beside it.

    Every method may be called again without harm.
    """

    def up(self, wait: bool = True, deadline_s: float = START_DEADLINE_S) -> None:
        """Starts everything but the producers; where other pipelines run already, this one's job beside theirs.

        Nothing happens when it already runs.

        Args:
            wait: return only when the job runs and has committed its first batch.
            deadline_s: how long to wait, in seconds.

        Raises:
            EnvironmentNotReadyError: something is missing, failed or did not come in time; the message names it.
        """

    def wait_until_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Returns when the job runs and has committed its first batch; see ``up``."""

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs run in this environment, or are to, the first one first.

        It does not raise.
        """

    def leave(self) -> None:
        """Stops this pipeline's job, and everything when no other one is left."""

    def down(self, volumes: bool = False) -> bool:
        """Stops everything, the other pipelines' jobs too, and returns whether anything was running.

        Args:
            volumes: also forget topics, database and checkpoint, together.
        """

    def where(self) -> str:
        """Returns where the platform looks for what runs, as a message names it."""

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``. What is not known is None.

        Raises:
            EnvironmentNotReadyError: nothing can be asked: the engine that containers run on does not answer.
        """

    def reconcile(self) -> dict[str, Any]:
        """Returns what was inserted and removed because records came late: the report of ``engine.run.reconcile``.

        Raises:
            EnvironmentNotReadyError: the environment does not run.
            TandemError: it failed; to do it again is safe.
        """

    def problem(self) -> str | None:
        """Returns what is wrong and does not mend by itself, in one line; None when nothing is.

        Raises:
            EnvironmentNotReadyError: as ``status`` does.
        """

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the services' log lines in the order of their times.

        Args:
            services: whose; empty for all.
            follow: go on with what is written from now on, until the caller stops.
            since: leave out what is older; with a time zone.

        Raises:
            UsageError: there is no such service.
        """

    def restart_job(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Stops the job after its batch and starts it anew; returns when it runs.

        Raises:
            EnvironmentNotReadyError: nothing runs, or the job did not come up.
        """


@runtime_checkable
class Deployed(Protocol):
    """A platform to which jobs are brought, and from which each is taken away by itself."""

    def destroy(self, data: bool = False) -> None:
        """Stops this pipeline's job after its batch; what no other job needs any more, goes with it.

        Args:
            data: also delete the pipeline's topics, collections, checkpoint and uploads.
        """
