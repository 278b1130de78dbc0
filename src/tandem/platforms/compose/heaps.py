"""Checks that Java's heaps fit into the memory of their containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem.errors import UsageError
from tandem.settings.heap_size import DRIVER, EXECUTOR, heap_mib

# Besides the heap: Java itself, Python, buffers and state.
_BESIDE_MIB = 512
WORKER = "spark-worker"


def check_heaps_fit(spark: Mapping[str, str], services: Mapping[str, Any], job: str) -> None:
    """Raises if the kernel would end a container whose heap has grown.

    Args:
        spark: Spark's settings.
        services: the services of the compose files, as Compose resolves them.
        job: the service of the driver.

    Raises:
        UsageError: a heap is too large for its container.
    """
    for setting, service in ((DRIVER, job), (EXECUTOR, WORKER)):
        limit = int(services.get(service, {}).get("mem_limit", 0)) // 2**20
        if setting in spark and limit and heap_mib(spark[setting]) + _BESIDE_MIB > limit:
            raise UsageError(
                f"{setting} is {spark[setting]}, but the container {service} has {limit} MiB, and Java needs "
                f"{_BESIDE_MIB} besides its heap",
                hint=f"raise mem_limit of {service} (docs/guides/recovery.md has the file), or set a smaller heap",
            )
