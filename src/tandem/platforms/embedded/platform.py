"""Starts, inspects and stops the embedded environment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import structlog

from tandem.engine.run.signals import RELOAD
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.job_files import RECONCILE
from tandem.local_spark.local_spark import LocalSpark
from tandem.platforms.base import START_DEADLINE_S
from tandem.platforms.embedded.membership import Membership
from tandem.platforms.local_services.layout import JOB, SERVICES, Layout
from tandem.platforms.local_services.prepare import prepare
from tandem.platforms.local_services.supervisor_process import SupervisorProcess
from tandem.platforms.observe import has_committed, lag_of, reconcile_report, status
from tandem.platforms.progress import ProgressReader
from tandem.platforms.reload import reload
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine
from tandem.supervision.logs import essence, merged
from tandem.supervision.process import alive, recall, send
from tandem.supervision.state_file import ServiceState, read_states
from tandem.supervision.state_folder import SUPERVISOR
from tandem.waiting import NotYetError, wait_for

_log = structlog.get_logger(__name__)


class EmbeddedPlatform:
    """Kafka, MongoDB and the job as local processes under one supervisor.

    Args:
        settings: of a profile with the backend ``embedded``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._layout = Layout(settings.home)
        self._supervisor = SupervisorProcess(settings, self._layout, "tandem.platforms.embedded.supervisor", prepare)
        self._membership = Membership(settings, self._layout, self._supervisor)

    def up(self, wait: bool = True, deadline_s: float = START_DEADLINE_S) -> None:
        """Starts everything, or this pipeline's driver in what runs; see ``Platform.up``."""
        if self._settings.pipeline in self.pipelines():
            _log.info("already running", profile=self._settings.profile, pipeline=self._settings.pipeline)
            self._membership.provide()
            if self._membership.is_outdated():
                _log.warning("the job was started with other settings", hint="`tandem submit` restarts it with these")
        else:
            self._membership.join()
        if wait:
            self.wait_until_ready(deadline_s)

    def pipelines(self) -> list[str]:
        """Returns the pipelines that are to run; see ``Platform.pipelines``."""
        return self._membership.names()

    def leave(self) -> None:
        """Stops this pipeline's driver; see ``Platform.leave``."""
        self._membership.check()
        if self.pipelines() == [self._settings.pipeline]:
            self.down()
        else:
            self._membership.leave()

    def down(self, volumes: bool = False) -> bool:
        """Stops everything, also services that a killed supervisor left; see ``Platform.down``."""
        return self._supervisor.stop(forget=volumes)

    def where(self) -> str:
        """Returns the state folder; see ``Platform.where``."""
        return f"processes with their state in {self._layout.home}"

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Platform.status``."""
        with closing(ProgressReader(self._settings.mongo, self._settings.pipeline)) as reader:
            return self._status(reader)

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect; see ``Platform.reconcile``."""
        self._membership.check()
        # Those of two pipelines may run at the same time.
        folder = self._layout.conf_of(self._service) / "reconcile"
        log = self._layout.log(self._service.replace(JOB, "reconcile", 1))
        spark = LocalSpark.find(self._settings)
        code, output = spark.run_batch(RECONCILE, self._settings, folder, self._layout.home, log=log)
        return reconcile_report(code, output, log.read_text(errors="replace"))

    def problem(self) -> str | None:
        """Returns why a service was given up, or that the disk is full; see ``Platform.problem``."""
        if not self._supervisor.running():
            return None
        full = self._layout.full_disk
        states = read_states(self._layout.state, self._needed)
        # With a full disk the supervisor may not be able to write the state file.
        if self._layout.disk_is_full or any(state.error == full for state in states.values()):
            return full
        return next((f"{name} {states[name].error}" for name in self._needed if states[name].state == "failed"), None)

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the log lines of the services and the ``supervisor``; see ``Platform.logs``.

        ``job`` is this pipeline's, where it has run here.
        """
        further = self._layout.further_jobs()
        known = (*SERVICES, *further, SUPERVISOR)
        if unknown := sorted(set(services) - set(known)):
            raise UsageError(f"there is no service {unknown[0]!r}", hint=f"choose from: {', '.join(known)}")
        own = self._service if self._service in further else JOB
        wanted = [own if name == JOB else name for name in services] or known
        return merged({name: self._layout.log(name) for name in wanted}, follow, since)

    def restart_job(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Restarts the job; see ``Platform.restart_job``."""
        self._membership.check()
        # The job that runs is not stopped for one that cannot start.
        self._settings.location.module("transform")
        self._membership.provide()
        before = read_states(self._layout.state, self._needed)[self._service].pid
        self._membership.ask_restart()

        def probe() -> None:
            if read_states(self._layout.state, self._needed)[self._service].pid in (before, None):
                raise NotYetError("the old one still runs")

        hint = f"look at {self._layout.log('supervisor')}"
        wait_for("a new driver to start", probe, deadline_s=deadline_s, hint=hint)
        self.wait_until_ready(deadline_s)

    def reload_job(self) -> None:
        """Reloads the job's code, or restarts the job with new settings; see ``Reloading.reload_job``."""
        self._membership.check()
        if self._membership.is_outdated():
            self.restart_job()

        def ask() -> None:
            driver = recall(self._layout.pid(self._service))
            if driver is None or not send(driver, RELOAD):
                raise EnvironmentNotReadyError("no job runs", hint="`tandem submit` starts one")

        reload(self._settings, ask, self.problem)

    def wait_until_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Logs the services' states meanwhile; see ``Platform.wait_until_ready``."""
        layout = self._layout
        reader = ProgressReader(self._settings.mongo, self._settings.pipeline)
        seen: dict[str, ServiceState] = {}

        def probe() -> None:
            if not self._supervisor.running():
                log = layout.log(SUPERVISOR)
                raise EnvironmentNotReadyError(f"the supervisor ended: {essence(log)}", hint=f"look at {log}")
            if problem := self.problem():
                raise EnvironmentNotReadyError(problem, hint=f"look at {layout.home / 'logs'}")
            states = read_states(layout.state, self._needed)
            for name, state in states.items():
                before = seen.get(name, ServiceState())
                if name not in seen or before != state:
                    if state.error and state.restarts > before.restarts:
                        # Once for each error: what waits for a port is restarted every few seconds.
                        if state.error != before.error:
                            _log.warning("restarting it", service=name, error=state.error)
                    elif name not in seen or before.state != state.state:
                        _log.info(f"{name} is {state.state}")
                    seen[name] = state
            awaited = {name: states[name] for name in self._needed}
            if not all(state.state == "running" for state in awaited.values()) or not self._committed(
                states[self._service], reader
            ):
                errors = [f"{name}: {state.error}" for name, state in awaited.items() if state.error]
                raise NotYetError(
                    "; ".join(errors) or ", ".join(f"{name} is {state.state}" for name, state in awaited.items())
                )

        try:
            what = "the job's first committed batch"
            wait_for(what, probe, deadline_s=deadline_s, hint=f"look at {layout.log(self._service)}", interval_s=0.2)
        finally:
            reader.close()

    @property
    def _service(self) -> str:
        """This pipeline's job."""
        return self._layout.job(self._settings.pipeline)

    @property
    def _needed(self) -> tuple[str, ...]:
        """The services that this pipeline needs. Nothing needs the dashboard."""
        return (self._service, "mongod", "kafka")

    def _committed(self, job: ServiceState, reader: ProgressReader) -> bool:
        newest = reader.newest()
        return newest is not None and newest["pid"] == job.pid and has_committed(self._settings, newest)

    def _status(self, reader: ProgressReader) -> dict[str, Any]:
        states = self._orphans()
        if self._supervisor.running():
            states = read_states(self._layout.state, (*self._needed, "dashboard"))
        job = states[self._service]
        answers = states["mongod"].state == "running" and reader.answers()
        newest = reader.newest() if answers else None
        behind = lag_of(self._settings, newest) if newest and states["kafka"].state == "running" else None
        return status(
            self._settings,
            state=job.state,
            driver=None if job.pid is None else str(job.pid),
            ready=behind is not None and job.state == "running" and self._committed(job, reader),
            newest=newest,
            behind=behind,
            problem=self.problem(),
            # It starts a moment after Kafka and MongoDB; its address is known before.
            dashboard=states["dashboard"].state in ("starting", "running"),
            dashboard_problem=states["dashboard"].trouble,
            first=self.pipelines()[:1] in ([], [self._settings.pipeline]),
            spark_port=self._membership.page_port() if job.state == "running" else None,
        )

    def _orphans(self) -> dict[str, ServiceState]:
        """Returns the services that run without a supervisor, by their recorded processes."""
        states = {}
        for service in (*SERVICES, self._service):
            identity = recall(self._layout.pid(service))
            runs = identity is not None and alive(identity)
            states[service] = ServiceState("running", identity.pid) if identity and runs else ServiceState()
        return states
