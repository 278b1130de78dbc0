"""Finds all that is needed before anything is started."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from tandem.artifacts import ensure_jars
from tandem.artifacts.cache import ENVIRONMENT
from tandem.artifacts.ivy import check_spark
from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited
from tandem.foreign.variables import not_passed_on
from tandem.locales import UTF8
from tandem.platforms.embedded.java import Java, find_java
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.mongod import find_mongod, version_of
from tandem.platforms.embedded.process import alive, end, recall
from tandem.platforms.ports import check_ports, dashboard_trouble
from tandem.platforms.provision import streams_of
from tandem.runtimes import runtimes
from tandem.settings.model import Settings

_LEFTOVER_DEADLINE_S = 30.0
_MINIMUM_FREE_BYTES = 256 * 2**20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Tools:
    """The programs and jars of one start."""

    java: Java
    mongod: Path
    jars: Mapping[str, tuple[Path, ...]]


def prepare(
    settings: Settings,
    layout: Layout,
    listens: Callable[[Settings], Mapping[str, int]] | None = None,
    jars: Collection[str] = ENVIRONMENT,
) -> Tools:
    """Returns what is needed to start, after ending what an earlier supervisor that was killed left behind.

    The caller owns the layout's lock.

    Args:
        settings: the profile's.
        layout: where all is kept.
        listens: returns the ports of what is started, by the variable that sets each; None for ``ports``.
        jars: which sets of the lock are needed.

    Raises:
        EnvironmentNotReadyError: something is missing or in the way.
        UsageError: there is no such pipeline.
    """
    streams_of(settings.location)
    end_leftovers(layout)
    say_not_passed_on()
    check_spark(runtimes().default.pyspark)
    java = find_java(settings.java_home, runtimes().minimum_java)
    mongod = find_mongod()
    version_of(mongod)
    check_ports((listens or ports)(settings))
    if reason := dashboard_trouble(settings.ui.dashboard_port):
        _log.warning("the dashboard is not available until its port is", error=reason)
    check_disk(layout)
    return Tools(java, mongod, ensure_jars(settings.cache_dir, java.program, jars))


def say_not_passed_on() -> None:
    """Logs one line that names the variables, set for other programs, that no program gets."""
    if found := not_passed_on():
        names = ", ".join(f"{name} ({part})" if part else name for name, part in found.items())
        _log.info("not passed on to any program; `tandem doctor` says why", variables=names)


def check_disk(layout: Layout) -> None:
    """Raises when the services would soon fail for want of space.

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
    """Ends the services that run without a supervisor, and returns whether there were any."""
    found = False
    for service in (*layout.services, *layout.further_jobs()):
        file = layout.pid(service)
        identity = recall(file)
        if identity is None:
            continue
        if alive(identity):
            found = True
            _log.info("stopping what was left running", service=service, pid=identity.pid)
        end(identity, _LEFTOVER_DEADLINE_S)
        file.unlink(missing_ok=True)
    return found


def child_environment(java: Java, **more: str) -> dict[str, str]:
    """Returns a child's environment: what it inherits, in a locale of UTF-8, plus the Java that was found."""
    return inherited() | UTF8 | {"JAVA_HOME": str(java.home)} | more
