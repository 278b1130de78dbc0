"""The Spark of a runtime: the one that is installed here, or another one, installed once for the stand-in alone."""

from __future__ import annotations

import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path

from tandem.artifacts.ivy import spark_jars
from tandem.artifacts.packages import installed
from tandem.runtimes import Runtime


@dataclass(frozen=True)
class Spark:
    """One Spark.

    Attributes:
        home: what ``SPARK_HOME`` is set to.
        python_path: what Python finds its own half on; None for where it is installed.
    """

    home: Path
    python_path: Path | None

    @property
    def submit(self) -> Path:
        """The program ``spark-submit``."""
        return self.home / "bin" / "spark-submit"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which its programs find it."""
        found = {"SPARK_HOME": os.fspath(self.home)}
        return found | ({"PYTHONPATH": os.fspath(self.python_path)} if self.python_path else {})


def spark_of(runtime: Runtime, cache: Path) -> Spark:
    """Returns the Spark of a runtime, installed now or by an earlier call.

    Args:
        runtime: whose.
        cache: the folder of all downloads.

    Raises:
        EnvironmentNotReadyError: it cannot be installed.
    """
    if f"{importlib.metadata.version('pyspark')}.".startswith(f"{runtime.spark}."):
        return Spark(spark_jars().parent, None)
    folder = installed(runtime.name, (f"pyspark=={runtime.pyspark}",), cache)
    return Spark(folder / "pyspark", folder)
