"""Starts, inspects and stops the embedded environment."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import structlog

from tandem.engine.wishes import RELOAD
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms.base import START_DEADLINE_S
from tandem.platforms.embedded.background import Background
from tandem.platforms.embedded.layout import ESSENTIAL, SERVICES, Layout, disk_is_full, is_full
from tandem.platforms.embedded.logs import essence, merged
from tandem.platforms.embedded.prepare import prepare
from tandem.platforms.embedded.process import alive, recall
from tandem.platforms.embedded.reconcile import reconcile
from tandem.platforms.embedded.state import ServiceState, read_states
from tandem.platforms.embedded.supervisor import RESTART_JOB
from tandem.platforms.log_line import LogLine
from tandem.platforms.observe import has_committed, lag_of, status
from tandem.platforms.progress import ProgressReader
from tandem.platforms.reload import reload
from tandem.settings.model import Settings
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
        self._background = Background(settings, self._layout, "tandem.platforms.embedded.supervisor", prepare)

    def up(self, wait: bool = True, deadline_s: float = START_DEADLINE_S) -> None:
        """Starts everything; see ``Platform.up``."""
        if self._background.running():
            self._check_pipeline()
            _log.info("already running", profile=self._settings.profile)
        else:
            self._background.start()
        if wait:
            self._wait_until_ready(deadline_s)

    def down(self, volumes: bool = False) -> None:
        """Stops everything, also what a supervisor that was killed left behind; see ``Platform.down``."""
        self._background.stop(forget=volumes)

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Platform.status``."""
        reader = ProgressReader(self._settings.mongo, self._settings.pipeline)
        try:
            return self._status(reader)
        finally:
            reader.close()

    def reconcile(self) -> dict[str, Any]:
        """Repairs what late records have left; see ``Platform.reconcile``."""
        if not self._background.running():
            raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
        self._check_pipeline()
        return reconcile(self._settings, self._layout)

    def problem(self) -> str | None:
        """Returns why a service was given up, or that the disk is full; see ``Platform.problem``."""
        if not self._background.running():
            return None
        full = disk_is_full(self._layout)
        states = read_states(self._layout.state)
        # The first the supervisor may not be able to tell: it tells by a file.
        if is_full(self._layout) or any(state.error == full for state in states.values()):
            return full
        return next((f"{name} {states[name].error}" for name in ESSENTIAL if states[name].state == "failed"), None)

    def logs(
        self, services: Collection[str] = (), follow: bool = False, since: datetime | None = None
    ) -> Iterator[LogLine]:
        """Yields the log lines of the services and the ``supervisor``; see ``Platform.logs``."""
        known = (*SERVICES, "supervisor")
        if unknown := sorted(set(services) - set(known)):
            raise UsageError(f"there is no service {unknown[0]!r}", hint=f"choose from: {', '.join(known)}")
        return merged({name: self._layout.log(name) for name in services or known}, follow, since)

    def restart_job(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Starts the job anew; see ``Platform.restart_job``."""
        supervisor = recall(self._layout.pid("supervisor"))
        if supervisor is None or not alive(supervisor):
            raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
        self._check_pipeline()
        # The job that runs is not stopped for one that cannot start.
        self._settings.place.module("pipeline")
        before = read_states(self._layout.state)["job"].pid
        os.kill(supervisor.pid, RESTART_JOB)

        def probe() -> None:
            if read_states(self._layout.state)["job"].pid in (before, None):
                raise NotYetError("the old one still runs")

        hint = f"look at {self._layout.log('supervisor')}"
        wait_for("a new driver to start", probe, deadline_s=deadline_s, hint=hint)
        self._wait_until_ready(deadline_s)

    def reload_job(self) -> None:
        """Lets the job go on with new code; see ``Reloading.reload_job``."""
        driver = recall(self._layout.pid("job")) if self._background.running() else None
        if driver is None or not alive(driver):
            raise EnvironmentNotReadyError("no job runs", hint="`tandem submit` starts one")
        self._check_pipeline()
        reload(self._settings, lambda: os.kill(driver.pid, RELOAD))

    def _check_pipeline(self) -> None:
        """Raises when it is another pipeline that runs here."""
        running = json.loads(self._layout.settings.read_text("utf-8"))["pipeline"]
        if running != self._settings.pipeline:
            raise EnvironmentNotReadyError(
                f"this environment runs the pipeline {running}, not {self._settings.pipeline}",
                hint=f"`tandem down` stops it; or name it: --pipeline {running}",
            )

    def _wait_until_ready(self, deadline_s: float) -> None:
        layout = self._layout
        reader = ProgressReader(self._settings.mongo, self._settings.pipeline)
        seen: dict[str, ServiceState] = {}

        def probe() -> None:
            if not self._background.running():
                log = layout.log("supervisor")
                raise EnvironmentNotReadyError(f"the supervisor ended: {essence(log)}", hint=f"look at {log}")
            if problem := self.problem():
                raise EnvironmentNotReadyError(problem, hint=f"look at {layout.home / 'logs'}")
            states = read_states(layout.state)
            for name, state in states.items():
                if seen.get(name) != state:
                    if state.error and state.restarts > (seen[name].restarts if name in seen else 0):
                        _log.warning("starting it again", service=name, error=state.error)
                    elif name not in seen or seen[name].state != state.state:
                        _log.info(f"{name} is {state.state}")
                    seen[name] = state
            awaited = {name: states[name] for name in ESSENTIAL}
            if not all(state.state == "running" for state in awaited.values()) or not self._committed(
                states["job"], reader
            ):
                errors = [f"{name}: {state.error}" for name, state in awaited.items() if state.error]
                raise NotYetError(
                    "; ".join(errors) or ", ".join(f"{name} is {state.state}" for name, state in awaited.items())
                )

        try:
            what = "the job's first committed batch"
            wait_for(what, probe, deadline_s=deadline_s, hint=f"look at {layout.log('job')}", interval_s=0.2)
        finally:
            reader.close()

    def _committed(self, job: ServiceState, reader: ProgressReader) -> bool:
        newest = reader.newest()
        return newest is not None and newest["pid"] == job.pid and has_committed(self._settings, newest)

    def _status(self, reader: ProgressReader) -> dict[str, Any]:
        states = read_states(self._layout.state) if self._background.running() else self._orphans()
        job = states["job"]
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
            # It comes a moment after Kafka and MongoDB; its address is known before.
            dashboard=states["dashboard"].state in ("starting", "running"),
        )

    def _orphans(self) -> dict[str, ServiceState]:
        """Returns what runs without a supervisor, by the process ids that it wrote."""
        states = {}
        for service in SERVICES:
            identity = recall(self._layout.pid(service))
            runs = identity is not None and alive(identity)
            states[service] = ServiceState("running", identity.pid) if identity and runs else ServiceState()
        return states
