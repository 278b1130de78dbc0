"""Describes the machine, the versions and the source of a measurement."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tandem.foreign import inherited
from tandem.local_spark.heap import heap_settings, machine_memory
from tandem.platforms.local_services.prepare import Tools
from tandem.settings.model import Settings

_PACKAGES = ("pyspark", "kafka-python", "confluent-kafka", "pymongo", "orjson")


def about(settings: Settings, tools: Tools) -> dict[str, Any]:
    """Returns the machine, the versions, the measured settings and the git revision."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_gib": round(machine_memory() / 2**30, 1),
            "system": platform.platform(),
            "load_before": os.getloadavg()[0],
        },
        "versions": {
            "python": platform.python_version(),
            "java": tools.java.build,
            "kafka": next(jar.stem for jar in tools.jars["kafka"] if jar.stem.startswith("kafka_")),
            "mongod": _first_line(str(tools.mongod), "--version"),
            **{name: _version(name) for name in _PACKAGES},
        },
        "settings": {
            "kafka": settings.kafka.model_dump(include={"partitions"}),
            "job": settings.job.model_dump(),
            "spark": heap_settings() | settings.spark,
        },
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _revision() -> str | None:
    """Returns the checkout's commit, with a mark if files differ from it.

    None outside a checkout.
    """
    return _first_line("git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=12", "--dirty")


def _first_line(*command: str) -> str | None:
    try:
        done = subprocess.run(command, env=inherited(), capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
