"""Compares a job's versions with its row of the runtimes table and with the lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem.artifacts.lock import locked
from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.progress import progress_of
from tandem.runtimes import Runtime, runtimes
from tandem.settings.model import Settings


@dataclass(frozen=True)
class Parity:
    """One comparison.

    Attributes:
        wanted: the row of the table.
        lines: the name, the job's version and the expected version of each component.
        differences: a description of each difference.
    """

    wanted: Runtime
    lines: tuple[tuple[str, str, str], ...]
    differences: tuple[str, ...]


def runtime_of(settings: Settings) -> Runtime:
    """Returns the runtime of the job in the cloud.

    A laptop is compared with the same one.
    """
    table = runtimes()
    in_the_cloud = settings.backend in ("dataproc", "rehearsal")
    return table.serverless if in_the_cloud and settings.gcp.serverless else table.default


def spark_settings(settings: Settings) -> dict[str, str]:
    """Returns the Spark settings of a job in the cloud.

    Those of its runtime override the profile's.
    """
    return {**settings.spark, **runtime_of(settings).spark_overrides}


def parity(settings: Settings) -> Parity:
    """Returns the comparison for the newest job of a profile.

    Raises:
        EnvironmentNotReadyError: no job has reported its versions, or MongoDB does not answer.
    """
    with progress_of(settings) as reader:
        newest = reader.newest()
    if newest is None:
        raise EnvironmentNotReadyError("no job has reported its versions", hint="`tandem up` starts one")
    return compare(runtime_of(settings), newest["runtime"])


def compare(wanted: Runtime, reported: Mapping[str, Any]) -> Parity:
    """Compares a row of the table with a job's report.

    The report is that of ``engine.spark.jvm.describe``.
    """
    names = ("spark", "java", "python", "scala")
    versions = [(name, str(reported[name]), str(getattr(wanted, name))) for name in names]
    jars = {jar.file: jar.sha256[:16] for jar in locked()[wanted.jars].jars}
    connectors = [(jar["file"], str(jar["sha256"]), jars.get(jar["file"], "-")) for jar in reported["connectors"]]
    other = [f"{file} is not that of the lock" for file, digest, locked_digest in connectors if digest != locked_digest]
    return Parity(wanted, (*versions, *connectors), (*wanted.differences(reported), *other))
