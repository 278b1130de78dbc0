"""Finds the programs and jars that an environment needs, before anything starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from tandem.artifacts import ensure_jars
from tandem.artifacts.ivy import check_spark
from tandem.errors import EnvironmentNotReadyError
from tandem.foreign.inheritance import log_not_passed_on
from tandem.local_spark.folder_names import check_folder_names
from tandem.local_spark.java import Java, find_java
from tandem.local_spark.local_spark import LocalSpark
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.mongod import find_mongod, version_of
from tandem.platforms.ports import check_ports, dashboard_trouble
from tandem.platforms.provision import streams_of
from tandem.runtimes import runtimes
from tandem.settings.model import Settings
from tandem.supervision.process import alive, end, read_identity

_LEFTOVER_DEADLINE_S = 30.0
_MINIMUM_FREE_BYTES = 256 * 2**20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Tools:
    """The programs and jars of one start."""

    java: Java
    mongod: Path
    jars: Mapping[str, tuple[Path, ...]]

    def spark(self, settings: Settings) -> LocalSpark:
        """Returns what a profile's drivers run on."""
        return LocalSpark.of(settings, self.java, self.jars[runtimes().default.jars])


def prepare(
    settings: Settings,
    layout: Layout,
    listens: Callable[[Settings], Mapping[str, int]] | None = None,
    jars: Collection[str] | None = None,
) -> Tools:
    """Ends leftover services, and returns the tools for a start.

    A killed supervisor leaves its services running.

    The caller owns the layout's lock.

    Args:
        settings: the profile's settings.
        layout: the folders.
        listens: returns the needed ports by the variable that sets each; None for ``ports``.
        jars: the needed sets of the lock; None for those of an environment.

    Raises:
        EnvironmentNotReadyError: something is missing, or a port is busy.
        UsageError: the pipeline does not exist, or a folder has a name that a program would misread.
    """
    streams_of(settings.location)
    check_folder_names(settings)
    end_leftovers(layout)
    log_not_passed_on()
    check_spark(runtimes().default.pyspark)
    java = find_java(settings.java_home, runtimes().minimum_java)
    mongod = find_mongod()
    version_of(mongod)
    check_ports((listens or ports)(settings))
    if reason := dashboard_trouble(settings.ui.dashboard_port):
        _log.warning("the dashboard is not available until its port is", error=reason)
    check_disk(layout)
    return Tools(java, mongod, ensure_jars(settings.cache_dir, java.program, jars))


def check_disk(layout: Layout) -> None:
    """Raises if the disk has too little space for the services.

    Raises:
        EnvironmentNotReadyError: too little is free.
    """
    free = shutil.disk_usage(layout.home).free
    if free < _MINIMUM_FREE_BYTES:
        raise EnvironmentNotReadyError(
            f"the disk of {layout.home} has {free >> 20} MB free, and {_MINIMUM_FREE_BYTES >> 20} are needed",
            hint="free some space, or set TANDEM_STATE_DIR to another disk",
        )


def ports(settings: Settings) -> dict[str, int]:
    """Returns the ports of the embedded profile by the variable that sets each."""
    return {
        "TANDEM_KAFKA__PORT": settings.kafka.port,
        "TANDEM_KAFKA__CONTROLLER_PORT": settings.kafka.controller_port,
        "TANDEM_MONGO__PORT": settings.mongo.port,
        "TANDEM_UI__SPARK_PORT": settings.ui.spark_port,
        "TANDEM_UI__DASHBOARD_PORT": settings.ui.dashboard_port,
    }


def end_leftovers(layout: Layout) -> bool:
    """Ends programs without a supervisor; returns whether there were any.

    They are services and drivers.
    """
    any_left = False
    for service in layout.recorded():
        file = layout.pid(service)
        identity = read_identity(file)
        if identity is None:
            continue
        if alive(identity):
            any_left = True
            _log.info("stopping what was left running", service=service, pid=identity.pid)
        end(identity, _LEFTOVER_DEADLINE_S)
        file.unlink(missing_ok=True)
    return any_left
