"""Checks that Java's heaps fit into the memory of their containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem.errors import UsageError
from tandem.settings.heap_size import DRIVER, EXECUTOR, heap_mib

# Besides heap and state: Java itself, Python and buffers.
_BESIDE_MIB = 512
# RocksDB's bound is soft, and freed memory does not return to the system at once.
_ROCKSDB, _ROCKSDB_TIMES = "spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB", 2
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
    bound = spark.get(_ROCKSDB, "")
    state = _ROCKSDB_TIMES * int(bound) if bound.isdecimal() else 0
    for setting, service, beside in ((DRIVER, job, _BESIDE_MIB), (EXECUTOR, WORKER, _BESIDE_MIB + state)):
        limit = int(services.get(service, {}).get("mem_limit", 0)) // 2**20
        if setting in spark and limit and heap_mib(spark[setting]) + beside > limit:
            raise UsageError(
                f"{setting} is {spark[setting]}, but the container {service} has {limit} MiB, and {beside} are "
                "needed besides the heap",
                hint=f"raise mem_limit of {service} (docs/guides/recovery.md has the file), or set a smaller heap",
            )
