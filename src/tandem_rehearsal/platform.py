"""Starts the stand-ins and runs the cloud's platform against them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.pipeline_registry import PipelineRegistry
from tandem.platforms.base import START_DEADLINE_S
from tandem.platforms.dataproc.platform import DataprocPlatform
from tandem.platforms.local_services.layout import JOB
from tandem.platforms.local_services.supervisor_process import SupervisorProcess
from tandem.platforms.observe import dashboard_url, status
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine
from tandem.supervision.logs import merged
from tandem.supervision.state_file import read_states
from tandem.supervision.state_folder import SUPERVISOR
from tandem.waiting import NotYetError, wait_for
from tandem_rehearsal import services
from tandem_rehearsal.credentials import Credentials
from tandem_rehearsal.folders import SERVICES, layout_of
from tandem_rehearsal.supervisor import prepare

_STAND_INS_DEADLINE_S = 120.0


class RehearsalPlatform:
    """The cloud on this machine.

    Args:
        settings: of a profile with the backend ``rehearsal``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._layout = layout_of(settings)
        self._registry = PipelineRegistry(self._layout.pipelines)
        self._supervisor = SupervisorProcess(settings, self._layout, "tandem_rehearsal.supervisor", prepare)
        self._cloud = DataprocPlatform(settings)

    def up(self, wait: bool = True, deadline_s: float = START_DEADLINE_S) -> None:
        """Starts the stand-ins and deploys to them; see ``Platform.up``."""
        if not self._supervisor.running():
            self._supervisor.start()
        self._await_stand_ins()
        if self._layout.job(self._settings.pipeline) != JOB:
            # In the cloud, an administrator does this.
            services.admit(self._settings, Credentials(self._settings.home))
        self._registry.add(self._settings)
        self._cloud.up(wait, deadline_s)

    def down(self, volumes: bool = False) -> bool:
        """Destroys the deployments of all pipelines and stops the stand-ins; see ``Platform.down``."""
        if self._supervisor.running():
            for other in self._registry.all():
                if other.pipeline != self._settings.pipeline:
                    DataprocPlatform(other).down()
            self._cloud.down()
            # It would report on standard error that the server is stopping.
            self._cloud.close()
        return self._supervisor.stop(forget=volumes)

    def where(self) -> str:
        """Returns the state folder; see ``Platform.where``."""
        return f"processes with their state in {self._layout.home}"

    def leave(self) -> None:
        """Does what ``destroy`` does; see ``Platform.leave``."""
        self.destroy()

    def destroy(self, data: bool = False) -> None:
        """Stops this pipeline's job, and the stand-ins if no other job is left; see ``Deployed.destroy``."""
        if self.pipelines() in ([], [self._settings.pipeline]):
            self.down(volumes=data)
        else:
            self._cloud.destroy(data)
            self._registry.remove(self._settings.pipeline)

    def pipelines(self) -> list[str]:
        """Returns the pipelines whose jobs are active; see ``Platform.pipelines``."""
        return self._cloud.pipelines() if self._supervisor.running() else []

    def wait_until_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """See ``Platform.wait_until_ready``."""
        self._check_running()
        self._cloud.wait_until_ready(deadline_s)

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Platform.status``."""
        if not self._supervisor.running():
            return status(
                self._settings,
                state="stopped",
                driver=None,
                ready=False,
                newest=None,
                behind=None,
                problem=None,
                dashboard=False,
            )
        found = self._cloud.status()
        problem = self._stand_in_problem() or found["problem"]
        first = self._registry.names()[:1] in ([], [self._settings.pipeline])
        url = dashboard_url(self._settings) + ("" if first else f"/?pipeline={self._settings.pipeline}")
        why = read_states(self._layout.state, SERVICES)["dashboard"].trouble
        return {**found, "dashboard": {"url": url, "problem": why}, "problem": problem}

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect; see ``Platform.reconcile``."""
        self._check_running()
        return self._cloud.reconcile()

    def problem(self) -> str | None:
        """Returns the problem of a stand-in or of the job; see ``Platform.problem``."""
        if not self._supervisor.running():
            return None
        return self._stand_in_problem() or self._cloud.problem()

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the job's log from Cloud Storage, or all logs from files; see ``Platform.logs``."""
        if list(services) == [JOB]:
            self._check_running()
            return self._cloud.logs(services, follow, since)
        known = (*SERVICES, JOB, *self._layout.further_jobs(), "reconcile", SUPERVISOR)
        if unknown := sorted(set(services) - set(known)):
            raise UsageError(f"there is no service {unknown[0]!r}", hint=f"choose from: {', '.join(known)}")
        return merged({name: self._layout.log(name) for name in services or known}, follow, since)

    def restart_job(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Replaces the running job by this source; see ``Platform.restart_job``."""
        self._check_running()
        self._cloud.restart_job(deadline_s)

    def _check_running(self) -> None:
        if not self._supervisor.running():
            raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem --profile rehearsal up`")

    def _stand_in_problem(self) -> str | None:
        states = read_states(self._layout.state, SERVICES)
        return next((f"{name} {states[name].error}" for name in SERVICES if states[name].state == "failed"), None)

    def _await_stand_ins(self) -> None:
        log = self._layout.log(SUPERVISOR)

        def probe() -> None:
            if not self._supervisor.running():
                raise EnvironmentNotReadyError("the supervisor ended", hint=f"look at {log}")
            if problem := self._stand_in_problem():
                raise EnvironmentNotReadyError(problem, hint=f"look at {log}")
            states = read_states(self._layout.state, SERVICES)
            # Nothing needs the dashboard.
            needed = [name for name in SERVICES if name != "dashboard"]
            waiting = [f"{name} is {states[name].state}" for name in needed if states[name].state != "running"]
            if waiting:
                raise NotYetError(", ".join(waiting))

        wait_for("the stand-ins", probe, deadline_s=_STAND_INS_DEADLINE_S, hint=f"look at {log}", interval_s=0.2)
