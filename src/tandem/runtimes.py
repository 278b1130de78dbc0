"""The versions that Tandem runs on, from ``runtimes.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Runtime:
    """One Spark runtime of Dataproc.

    Attributes:
        name: the name of its row.
        image: the version to request from Dataproc: of a cluster's image, or of a serverless runtime.
        spark: the version of Spark, as precise as it is known.
        java: Java's major version.
        python: Python's major and minor version.
        scala: Scala's major and minor version.
        jars: the set of jars in the lock for this Spark.
        pyspark: the package on PyPI that runs here in its place.
        spark_overrides: the Spark settings that override those of a profile on this runtime.
    """

    name: str
    image: str
    spark: str
    java: str
    python: str
    scala: str
    jars: str
    pyspark: str
    spark_overrides: Mapping[str, str] = field(default_factory=dict)

    def differences(self, reported: Mapping[str, Any]) -> list[str]:
        """Returns the differences of a job's versions.

        Args:
            reported: the job's own ``engine.spark.jvm.describe``.
        """
        wanted = {"spark": self.spark, "java": self.java, "python": self.python, "scala": self.scala}
        # The table has only the significant part of a version: 25 matches 25.0.3.
        return [
            f"{name} {reported.get(name)}, not {version}"
            for name, version in wanted.items()
            if not f"{reported.get(name)}.".startswith(f"{version}.")
        ]


@dataclass(frozen=True)
class Runtimes:
    """The whole table.

    Attributes:
        default: the runtime of clusters and of the local profiles.
        serverless: the runtime of serverless batches.
        rows: every runtime by name.
        minimum_java: the oldest Java major version of the embedded profile.
        mongodb: the oldest and the newest MongoDB of the embedded profile, the newest in any minor version.
        packages: the packages to resolve from Maven, as ``group:artifact:version``, for each set of jars.
    """

    default: Runtime
    serverless: Runtime
    rows: Mapping[str, Runtime]
    minimum_java: int
    mongodb: tuple[str, str]
    packages: Mapping[str, tuple[str, ...]]

    def meant_by(self, spark: str) -> Runtime:
        """Returns the row to compare with a job on this version of Spark."""
        return self.serverless if f"{spark}.".startswith(f"{self.serverless.spark}.") else self.default


@cache
def runtimes() -> Runtimes:
    """Returns the table of the installed package."""
    document = tomllib.loads(resources.files(__package__).joinpath("runtimes.toml").read_text("utf-8"))
    rows = {name: Runtime(name=name, **row) for name, row in document["runtime"].items()}
    return Runtimes(
        default=rows[document["default"]],
        serverless=rows[document["serverless"]],
        rows=rows,
        minimum_java=document["embedded"]["minimum_java"],
        mongodb=tuple(document["embedded"]["mongodb"]),
        packages={name: tuple(packages) for name, packages in document["jars"].items()},
    )
