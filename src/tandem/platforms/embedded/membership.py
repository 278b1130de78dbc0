"""Adds a pipeline to a running environment, removes it and restarts its driver."""

from __future__ import annotations

from tandem.errors import EnvironmentNotReadyError
from tandem.pipeline_registry import PipelineRegistry
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.prepare import ports
from tandem.platforms.local_services.supervisor_process import STOP_DEADLINE_S, SupervisorProcess
from tandem.platforms.ports import page_port
from tandem.platforms.provision import create_collections, create_topics, indexes_of, streams_of
from tandem.settings.model import Settings
from tandem.supervision.process import recall, send
from tandem.supervision.state_file import read_states
from tandem.supervision.state_folder import SUPERVISOR
from tandem.supervision.supervisor import UPDATE
from tandem.waiting import NotYetError, wait_for


class Membership:
    """Tells the supervisor what to do about one pipeline.

    Args:
        settings: the pipeline's.
        layout: of the environment.
        supervisor: its supervisor.
    """

    def __init__(self, settings: Settings, layout: Layout, supervisor: SupervisorProcess) -> None:
        self._settings, self._layout, self._supervisor = settings, layout, supervisor
        self._registry = PipelineRegistry(layout.pipelines)

    def names(self) -> list[str]:
        """Returns the pipelines that are to run here, the first one first."""
        return self._registry.names() if self._supervisor.running() else []

    def check(self) -> None:
        """Raises when this pipeline does not run here.

        Raises:
            EnvironmentNotReadyError: the message names those that are.
        """
        running, mine = self.names(), self._settings.pipeline
        if not running:
            raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
        if mine not in running:
            raise EnvironmentNotReadyError(
                f"this environment runs {', '.join(running)}, not {mine}",
                hint=f"`tandem --pipeline {mine} up` starts it beside; or name another: --pipeline {running[0]}",
            )

    def join(self) -> None:
        """Returns when the supervisor runs and knows of this pipeline.

        Raises:
            EnvironmentNotReadyError: something is missing, or the environment is another one than the settings say.
            UsageError: the pipeline cannot be imported.
        """
        settings = self._settings
        # An error in it is reported before anything starts, and with its line.
        settings.location.module("transform")
        if not self._supervisor.running():
            self._supervisor.start()
        self._check_addresses()
        self._registry.add(self._at(self._free_port()))
        self._ask_update()

    def provide(self) -> None:
        """Creates the topics and indexes that the pipeline's files declare now, where Kafka and MongoDB run.

        Raises:
            EnvironmentNotReadyError: one of the two refused.
        """
        servers = ("mongod", "kafka")
        states = read_states(self._layout.state, servers)
        # While they start, what starts them does it.
        if all(states[name].state == "running" for name in servers):
            self._check_addresses()
            create_topics(self._settings.kafka, *streams_of(self._settings.location))
            create_collections(self._settings.mongo, indexes_of(self._settings.location))

    def is_outdated(self) -> bool:
        """Returns whether the driver was started with other settings than these."""
        mine = self._registry.settings(self._settings.pipeline)
        return mine is not None and mine != self._at(mine.ui.spark_port)

    def page_port(self) -> int | None:
        """Returns the port of the driver's page; None while this pipeline does not run here."""
        mine = self._registry.settings(self._settings.pipeline)
        return mine.ui.spark_port if mine else None

    def leave(self) -> None:
        """Returns when this pipeline's driver has ended; another one has to be left."""
        service = self._layout.job(self._settings.pipeline)
        self._registry.remove(self._settings.pipeline)
        self._ask_update()

        def probe() -> None:
            if service in read_states(self._layout.state):
                raise NotYetError("it still runs")

        hint = f"look at {self._layout.log('supervisor')}"
        wait_for(f"{service} to stop", probe, deadline_s=STOP_DEADLINE_S, hint=hint, interval_s=0.2)

    def ask_restart(self) -> None:
        """Has the driver restarted with these settings; returns at once.

        Raises:
            EnvironmentNotReadyError: the environment is another one than the settings say.
        """
        self._check_addresses()
        self._registry.update(self._at(self.page_port() or self._settings.ui.spark_port))
        self._registry.ask_restart(self._settings.pipeline)
        self._ask_update()

    def _check_addresses(self) -> None:
        mine = self._settings
        for other in self._registry.all():
            if (other.kafka.bootstrap, other.mongo.uri) != (mine.kafka.bootstrap, mine.mongo.uri):
                raise EnvironmentNotReadyError(
                    f"this environment is at {other.kafka.bootstrap} and {other.mongo.uri}, unlike these settings",
                    hint="`tandem config show` tells where they come from; TANDEM_STATE_DIR names another environment",
                )

    def _at(self, port: int) -> Settings:
        """Returns the settings with the port that the driver's page has."""
        ui = self._settings.ui.model_copy(update={"spark_port": port})
        return self._settings.model_copy(update={"ui": ui})

    def _free_port(self) -> int:
        """Returns the port of the driver's page: the configured one, or the next free one."""
        first = self._settings.ui.spark_port
        taken = {port for port in ports(self._settings).values() if port != first}
        taken |= {other.ui.spark_port for other in self._registry.all()}
        return page_port(first, taken)

    def _ask_update(self) -> None:
        if supervisor := recall(self._layout.pid(SUPERVISOR)):
            send(supervisor, UPDATE)
