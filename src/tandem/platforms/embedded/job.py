"""Starts, inspects and stops a job of the embedded environment."""

from __future__ import annotations

from typing import Any

import structlog

from tandem.engine.declare.replay_range import ReplayRange
from tandem.engine.run.signals import RELOAD
from tandem.errors import EnvironmentNotReadyError
from tandem.job_files import RECONCILE, REPLAY, replay_arguments
from tandem.local_spark.local_spark import LocalSpark, configure
from tandem.platforms.base import START_DEADLINE_S, UNCHECKED
from tandem.platforms.local_services.layout import JOB, SERVICES, Layout
from tandem.platforms.local_services.prepare import ports
from tandem.platforms.local_services.supervisor_process import RESTART_ALL, STOP_DEADLINE_S, SupervisorProcess
from tandem.platforms.observe import batch_report, has_committed, lag_of, status
from tandem.platforms.ports import page_port
from tandem.platforms.progress import ProgressReader, progress_of
from tandem.platforms.provision import create_declared
from tandem.platforms.reload import reload
from tandem.platforms.running import check_running
from tandem.progress_display import wait_shown
from tandem.settings.model import Settings
from tandem.supervision.logs import error_summary
from tandem.supervision.process import alive, read_identity, send
from tandem.supervision.state_file import ServiceState, given_up, read_states
from tandem.supervision.state_folder import SUPERVISOR
from tandem.waiting import NotYetError

# Every driver needs them.
_SERVERS = ("mongod", "kafka")
_log = structlog.get_logger(__name__)


class EmbeddedJob:
    """A pipeline's driver under the supervisor.

    The supervisor runs the pipelines of the registry.

    Args:
        settings: the pipeline's settings.
        layout: the folders of the environment.
        supervisor: the supervisor of the environment.
    """

    def __init__(self, settings: Settings, layout: Layout, supervisor: SupervisorProcess) -> None:
        self.settings = settings
        self._layout, self._supervisor, self._registry = layout, supervisor, supervisor.registry

    def submit(self) -> None:
        """Starts the driver, and the supervisor if it does not run; see ``Job.submit``."""
        settings = self.settings
        if settings.pipeline in self._supervisor.pipelines():
            _log.info("already running", profile=settings.profile, pipeline=settings.pipeline)
            self._provide()
            if self.is_outdated():
                _log.warning("the job was started with other settings", hint="`tandem submit` restarts it with these")
            return
        # An error in the transform is reported with its line, before anything starts.
        settings.location.module("transform")
        if not self._supervisor.running():
            self._supervisor.start(settings)
        self._check_addresses()
        self._registry.add(self._configured(self._free_port()))
        self._supervisor.update()

    def stop(self) -> bool:
        """Stops the driver; see ``Job.stop``."""
        self._check_running()
        if self._supervisor.pipelines() == [self.settings.pipeline]:
            return self._supervisor.stop(forget=False).ran
        service = self._service
        self._registry.remove(self.settings.pipeline)
        self._supervisor.update()

        def probe() -> None:
            if service in read_states(self._layout.state):
                raise NotYetError("it still runs")

        hint = f"look at {self._layout.log('supervisor')}"
        wait_shown(f"{service} to stop", probe, deadline_s=STOP_DEADLINE_S, hint=hint, interval_s=0.2)
        return True

    def status(self) -> dict[str, Any]:
        """Returns the object of ``tandem status --json``; see ``Job.status``."""
        with progress_of(self.settings) as reader:
            return self._status(reader)

    def reconcile(self) -> dict[str, Any]:
        """Repairs documents that late records affect; see ``Job.reconcile``."""
        return self._run_batch(RECONCILE)

    def replay(self, span: ReplayRange) -> dict[str, Any]:
        """Computes the documents of a range of records again; see ``Job.replay``."""
        return self._run_batch(REPLAY, *replay_arguments(span))

    def doubt(self) -> str | None:
        """Returns that nothing is checked before the restart; see ``Job.doubt``."""
        return UNCHECKED

    def problem(self) -> str | None:
        """Returns why a service was given up, or that the disk is full; see ``Job.problem``."""
        if not self._supervisor.running():
            return None
        full = self._layout.full_disk
        states = read_states(self._layout.state, self._needed)
        # With a full disk the supervisor may not be able to write the state file.
        if self._layout.disk_is_full or any(state.error == full for state in states.values()):
            return full
        return given_up(states, self._needed)

    def restart(self) -> None:
        """Restarts the driver with these settings; see ``Job.restart``."""
        self._check_running()
        if problem := given_up(read_states(self._layout.state, _SERVERS), _SERVERS):
            raise EnvironmentNotReadyError(problem, hint=RESTART_ALL)
        # A transform that cannot be imported does not stop the running job.
        self.settings.location.module("transform")
        self._provide()
        before = read_states(self._layout.state, self._needed)[self._service].pid
        self.ask_restart()

        def probe() -> None:
            if read_states(self._layout.state, self._needed)[self._service].pid in (before, None):
                raise NotYetError("the old one still runs")

        hint = f"look at {self._layout.log('supervisor')}"
        wait_shown("a new driver to start", probe, deadline_s=START_DEADLINE_S, hint=hint)
        self.wait_until_ready()

    def reload(self) -> None:
        """Reloads the job's code, or restarts the job with new settings.

        See ``ReloadableJob.reload``.
        """
        self._check_running()
        if self.is_outdated():
            self.restart()

        def ask() -> None:
            driver = read_identity(self._layout.pid(self._service))
            if driver is None or not send(driver, RELOAD):
                raise EnvironmentNotReadyError("no job runs", hint="`tandem submit` starts one")

        reload(self.settings, ask, self.problem)

    def wait_until_ready(self) -> None:
        """Logs the services' states meanwhile; see ``Job.wait_until_ready``."""
        layout = self._layout
        seen: dict[str, ServiceState] = {}

        def probe() -> None:
            if not self._supervisor.running():
                log = layout.log(SUPERVISOR)
                raise EnvironmentNotReadyError(f"the supervisor ended: {error_summary(log)}", hint=f"look at {log}")
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

        what, hint = "the job's first committed batch", f"look at {layout.log(self._service)}"
        with progress_of(self.settings) as reader:
            wait_shown(what, probe, deadline_s=START_DEADLINE_S, hint=hint, interval_s=0.2)

    def is_outdated(self) -> bool:
        """Returns whether the driver was started with other settings than these."""
        mine = self._registry.settings(self.settings.pipeline)
        return mine is not None and mine != self._at(mine.ui.spark_port)

    def page_port(self) -> int | None:
        """Returns the port of the driver's page; None if this pipeline does not run here."""
        mine = self._registry.settings(self.settings.pipeline)
        return mine.ui.spark_port if mine else None

    def ask_restart(self) -> None:
        """Asks the supervisor to restart the driver with these settings; does not wait.

        Raises:
            EnvironmentNotReadyError: the environment has other addresses than the settings.
        """
        self._check_addresses()
        self._registry.update(self._configured(self.page_port() or self.settings.ui.spark_port))
        self._registry.ask_restart(self.settings.pipeline)
        self._supervisor.update()

    @property
    def _service(self) -> str:
        """This pipeline's job."""
        return self._layout.job(self.settings.pipeline)

    @property
    def _needed(self) -> tuple[str, ...]:
        """The services that this pipeline needs. Nothing needs the dashboard."""
        return (self._service, *_SERVERS)

    def _run_batch(self, entry: str, *arguments: str) -> dict[str, Any]:
        """Returns the report of a batch, which runs in a driver of its own."""
        self._check_running()
        # Those of two pipelines may run at the same time.
        folder = self._layout.conf_of(self._service) / entry
        log = self._layout.log(self._service.replace(JOB, entry, 1))
        spark = LocalSpark.find(self.settings)
        code, output = spark.run_batch(entry, self.settings, folder, self._layout.home, *arguments, log=log)
        return batch_report(entry, code, output, log.read_text(errors="replace"))

    def _committed(self, job: ServiceState, reader: ProgressReader) -> bool:
        newest = reader.newest()
        return newest is not None and newest["pid"] == job.pid and has_committed(self.settings, newest)

    def _status(self, reader: ProgressReader) -> dict[str, Any]:
        states = self._orphans()
        if self._supervisor.running():
            states = read_states(self._layout.state, (*self._needed, "dashboard"))
        job = states[self._service]
        answers = states["mongod"].state == "running" and reader.answers()
        newest = reader.newest() if answers else None
        behind = lag_of(self.settings, newest) if newest and states["kafka"].state == "running" else None
        return status(
            self.settings,
            state=job.state,
            driver=None if job.pid is None else str(job.pid),
            ready=behind is not None and job.state == "running" and self._committed(job, reader),
            newest=newest,
            behind=behind,
            problem=self.problem(),
            # It starts a moment after Kafka and MongoDB; its address is known before.
            dashboard=states["dashboard"].state in ("starting", "running"),
            dashboard_problem=states["dashboard"].trouble,
            first=self._supervisor.pipelines()[:1] in ([], [self.settings.pipeline]),
            spark_port=self.page_port() if job.state == "running" else None,
        )

    def _orphans(self) -> dict[str, ServiceState]:
        """Returns the services that run without a supervisor, by their recorded processes."""
        states = {}
        for service in (*SERVICES, self._service):
            identity = read_identity(self._layout.pid(service))
            runs = identity is not None and alive(identity)
            states[service] = ServiceState("running", identity.pid) if identity and runs else ServiceState()
        return states

    def _check_running(self) -> None:
        check_running(self.settings.pipeline, self._supervisor.pipelines())

    def _check_addresses(self) -> None:
        mine = self.settings
        for other in self._registry.all():
            if (other.kafka.bootstrap, other.mongo.uri) != (mine.kafka.bootstrap, mine.mongo.uri):
                raise EnvironmentNotReadyError(
                    f"this environment is at {other.kafka.bootstrap} and {other.mongo.uri}, unlike these settings",
                    hint="see their origins with `tandem config show`, or set TANDEM_STATE_DIR to another environment",
                )

    def _provide(self) -> None:
        """Creates the declared topics and indexes if Kafka and MongoDB run."""
        states = read_states(self._layout.state, _SERVERS)
        # If they are still starting, the supervisor creates them later.
        if all(states[name].state == "running" for name in _SERVERS):
            self._check_addresses()
            create_declared(self.settings)

    def _configured(self, port: int) -> Settings:
        """Writes the files that the driver reads at each start; returns their settings."""
        settings = self._at(port)
        configure(settings, self._layout.conf_of(self._service), self._layout.home)
        return settings

    def _at(self, port: int) -> Settings:
        """Returns the settings with a port for the driver's page."""
        ui = self.settings.ui.model_copy(update={"spark_port": port})
        return self.settings.model_copy(update={"ui": ui})

    def _free_port(self) -> int:
        """Returns the port of the driver's page: the configured one, or the next free one."""
        first = self.settings.ui.spark_port
        taken = {port for port in ports(self.settings).values() if port != first}
        taken |= {other.ui.spark_port for other in self._registry.all()}
        return page_port(first, taken)
