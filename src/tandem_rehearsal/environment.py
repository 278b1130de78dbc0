"""Inspects and stops the stand-ins, on which jobs run with the cloud's code."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from tandem.errors import TandemError, UsageError
from tandem.job_files import RECONCILE, REPLAY
from tandem.platforms.base import Stopped
from tandem.platforms.dataproc.environment import DataprocEnvironment
from tandem.platforms.local_services.layout import JOB
from tandem.platforms.local_services.supervisor_process import SupervisorProcess
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine
from tandem.supervision.logs import merged
from tandem.supervision.state_folder import SUPERVISOR
from tandem_rehearsal.job import RehearsalJob, check_running, check_stand_ins, tell_unasked
from tandem_rehearsal.services import SERVICES, layout_of
from tandem_rehearsal.supervisor import prepare


class RehearsalEnvironment:
    """The cloud on this machine.

    Args:
        settings: of a profile with the backend ``rehearsal``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._layout = layout_of(settings)
        self._supervisor = SupervisorProcess(self._layout, "tandem_rehearsal.supervisor", prepare)
        self._cloud = DataprocEnvironment(settings)

    def job(self, settings: Settings) -> RehearsalJob:
        """Returns the job of a pipeline; see ``Environment.job``."""
        return RehearsalJob(self._cloud.job(settings), self._layout, self._supervisor)

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs are active; see ``Environment.pipelines``."""
        return self._cloud.pipelines() if self._supervisor.running() else []

    def stop(self, volumes: bool = False) -> Stopped:
        """Stops the jobs of all pipelines and the stand-ins; see ``Environment.stop``."""
        if self._supervisor.running():
            try:
                self._stop_jobs()
            except TandemError as error:  # a stand-in is gone
                tell_unasked(error)
            # It would report on standard error that the server is stopping.
            self._cloud.close()
        return self._supervisor.stop(forget=volumes)

    def _stop_jobs(self) -> None:
        """Stops the jobs of all pipelines after their current batches.

        Raises:
            TandemError: a stand-in does not run or does not answer.
        """
        check_stand_ins(self._layout)
        for other in self._supervisor.registry.readable():
            if other.pipeline != self._settings.pipeline:
                self._cloud.job(other).stop()
        self._cloud.stop()

    def where(self) -> str:
        """Returns the state folder; see ``Environment.where``."""
        return f"processes with their state in {self._layout.home}"

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the job's log from Cloud Storage, or all logs from files.

        See ``Environment.logs``.
        """
        if list(services) == [JOB]:
            check_running(self._supervisor, self._settings.profile)
            return self._cloud.logs(services, follow, since)
        known = (*SERVICES, JOB, *self._layout.other_jobs(), RECONCILE, REPLAY, SUPERVISOR)
        if unknown := sorted(set(services) - set(known)):
            raise UsageError(f"there is no service {unknown[0]!r}", hint=f"choose from: {', '.join(known)}")
        return merged({name: self._layout.log(name) for name in services or known}, follow, since)
