"""The versions that Tandem runs on, from ``runtimes.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Runtime:
    """One Spark runtime: the versions that a Dataproc image brings and that the local profiles equal."""

    name: str
    image: str
    spark: str
    java: str
    python: str
    scala: str

    def differences(self, told: Mapping[str, Any]) -> list[str]:
        """Returns in what a job runs on something else.

        Args:
            told: the job's own ``engine.runtime.describe``.
        """
        wanted = {"spark": self.spark, "java": self.java, "python": self.python, "scala": self.scala}
        # The table says no more of a version than matters: 25 is any 25.0.3.
        return [
            f"{name} {told.get(name)}, not {version}"
            for name, version in wanted.items()
            if not f"{told.get(name)}.".startswith(f"{version}.")
        ]


@dataclass(frozen=True)
class Runtimes:
    """The whole table.

    Attributes:
        default: the runtime that is used.
        rows: every runtime by name.
        minimum_java: the oldest Java major version of the embedded profile.
        packages: what is resolved from Maven, as ``group:artifact:version``, for each set of jars.
    """

    default: Runtime
    rows: Mapping[str, Runtime]
    minimum_java: int
    packages: Mapping[str, tuple[str, ...]]


@cache
def runtimes() -> Runtimes:
    """Returns the table of the installed package."""
    document = tomllib.loads(resources.files(__package__).joinpath("runtimes.toml").read_text("utf-8"))
    rows = {name: Runtime(name=name, **row) for name, row in document["runtime"].items()}
    return Runtimes(
        default=rows[document["default"]],
        rows=rows,
        minimum_java=document["embedded"]["minimum_java"],
        packages={name: tuple(packages) for name, packages in document["jars"].items()},
    )
