"""The testbed of a measurement: its own Kafka, MongoDB and driver.

This process runs the embedded platform's programs itself, so that no supervisor and no dashboard use the processors.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.foreign import inherited
from tandem.local_spark.local_spark import configure
from tandem.platforms import Job, environment_for
from tandem.platforms.local_services.dashboard import Dashboard
from tandem.platforms.local_services.driver import Driver
from tandem.platforms.local_services.kafka import Kafka
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.mongod import Mongod
from tandem.platforms.local_services.prepare import Tools, prepare
from tandem.platforms.provision import create_collections, indexes_of
from tandem.settings.connections import mongo_client
from tandem.settings.model import MongoSettings, Settings
from tandem.supervision.runner import ServiceRunner
from tandem.supervision.state_file import ServiceState, StateFile, read_states
from tandem.supervision.supervisor import runners_of
from tandem.waiting import NotYetError, wait_for
from tandem_bench.reports import Reports

_START_DEADLINE_S = 180.0


@dataclass(frozen=True)
class MeasuredDriver:
    """A running driver of the job."""

    pid: int
    reports: Reports

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspends the driver and its Java while the block runs."""
        os.killpg(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.pid, signal.SIGCONT)


class Testbed:
    """Kafka and MongoDB, empty at first. Created by ``new_testbed``.

    Attributes:
        settings: the pipeline's settings.
        tools: the programs.
        layout: the folders.
    """

    def __init__(self, settings: Settings, tools: Tools, layout: Layout) -> None:
        self.settings, self.tools, self.layout = settings, tools, layout
        self._states = StateFile(layout.state, layout.services)
        self._runners: list[ServiceRunner] = []

    def start(self) -> None:
        """Starts both; returns when they are ready, with topics and indexes."""
        self.layout.create()
        services = (
            Kafka(self.settings, self.tools, self.layout),
            Mongod(self.settings, self.tools.mongod, self.layout),
        )
        self._runners = runners_of(services, self.layout, self._states)
        for runner in self._runners:
            runner.start()
        for runner in self._runners:
            self._await(runner)

    def stop(self) -> None:
        """Stops both and deletes their data."""
        for runner in reversed(self._runners):
            runner.stop()
        self._runners = []
        self.layout.forget()

    def fresh(self) -> None:
        """Restarts both without data."""
        self.stop()
        self.start()

    @contextmanager
    def driver(self) -> Iterator[MeasuredDriver]:
        """Yields a driver that has reported its start; afterwards it is stopped.

        Raises:
            TandemError: it was restarted meanwhile, so the measurement is invalid.
        """
        configure(self.settings, self.layout.conf, self.layout.home)
        runner = ServiceRunner(Driver(self.settings, self.tools, self.layout), self.layout, self._states)
        before = self._state("job").restarts
        runner.start()
        try:
            self._await(runner)
            pid = self._state("job").pid
            if pid is None:
                raise TandemError("the driver died as it started", hint=f"look at {self.layout.log('job')}")
            with Reports(self.settings, pid) as reports:
                yield MeasuredDriver(pid, reports)
            state = self._state("job")
            if state.restarts != before:
                raise TandemError(f"the driver died: {state.error}", hint=f"look at {self.layout.log('job')}")
        finally:
            with ignoring_interrupts():
                runner.stop()

    @contextmanager
    def dashboard(self) -> Iterator[int]:
        """Yields the process id of a dashboard that answers; afterwards it is stopped."""
        runner = ServiceRunner(Dashboard(self.settings, self.layout), self.layout, self._states)
        runner.start()
        try:
            self._await(runner)
            pid = self._state("dashboard").pid
            if pid is None:
                raise TandemError("the dashboard died as it started", hint=f"look at {self.layout.log('dashboard')}")
            yield pid
        finally:
            with ignoring_interrupts():
                runner.stop()

    @contextmanager
    def database(self, name: str) -> Iterator[MongoSettings]:
        """Yields a database with the pipeline's indexes; removes it afterwards."""
        mongo = self.settings.mongo.model_copy(update={"database": name})
        create_collections(mongo, indexes_of(self.settings.location))
        try:
            yield mongo
        finally:
            self.drop(name)

    def drop(self, database: str) -> None:
        """Removes a database."""
        client: MongoClient[dict[str, Any]]
        with MongoClient(**mongo_client(self.settings.mongo)) as client:
            client.drop_database(database)

    def _state(self, name: str) -> ServiceState:
        return read_states(self.layout.state, self.layout.services)[name]

    def _await(self, runner: ServiceRunner) -> None:
        name = runner.service.name

        def probe() -> None:
            if not runner.is_ready:
                state = self._state(name)
                raise NotYetError(state.error or f"it is {state.state}")

        log = self.layout.log(name)
        wait_for(f"{name} to be ready", probe, deadline_s=_START_DEADLINE_S, hint=f"look at {log}", interval_s=0.05)


@contextmanager
def new_testbed(settings: Settings) -> Iterator[Testbed]:
    """Yields an empty testbed; removes its processes and data afterwards.

    Raises:
        EnvironmentNotReadyError: something is missing, or did not start.
    """
    environment_for(settings).stop(volumes=True)
    layout = Layout(settings.home)
    layout.create()
    with layout.locked() as lock:
        if lock is None:
            raise EnvironmentNotReadyError(f"{layout.home} is in use", hint="wait for the other run to end")
        testbed = Testbed(settings, prepare(settings, layout), layout)
        try:
            testbed.start()
            yield testbed
        finally:
            with ignoring_interrupts():
                testbed.stop()


@contextmanager
def running_job(settings: Settings) -> Iterator[Job]:
    """Yields the job in an empty environment, started as by `tandem up --wait`.

    Removes both afterwards.
    """
    environment = environment_for(settings)
    job = environment.job(settings)
    environment.stop(volumes=True)
    try:
        job.submit()
        job.wait_until_ready()
        yield job
    finally:
        with ignoring_interrupts():
            environment.stop(volumes=True)


def variables(settings: Settings) -> Mapping[str, str]:
    """Returns the environment variables of a `tandem` command with these settings."""
    return {
        **inherited(),
        "TANDEM_PROFILE": settings.profile,
        "TANDEM_PIPELINE": settings.pipeline,
        "TANDEM_STATE_DIR": str(settings.state_dir),
        "TANDEM_CACHE_DIR": str(settings.cache_dir),
        "TANDEM_KAFKA__PORT": str(settings.kafka.port),
        "TANDEM_KAFKA__CONTROLLER_PORT": str(settings.kafka.controller_port),
        "TANDEM_MONGO__PORT": str(settings.mongo.port),
        "TANDEM_UI__SPARK_PORT": str(settings.ui.spark_port),
        "TANDEM_UI__DASHBOARD_PORT": str(settings.ui.dashboard_port),
    }


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Ignores Ctrl-C and SIGTERM while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
