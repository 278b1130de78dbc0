"""Compares the memory that an executor may use with its container's."""

from __future__ import annotations

import re
from collections.abc import Mapping

from google.cloud import dataproc_v1 as dataproc

# YARN's part of a worker, and what a worker of an unknown type has.
_YARN_SHARE, _WORKER_GIB = 0.75, 15.0
_GIB_PER_CPU = {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0}
# What Java itself needs at least.
_JAVA = 384
# Spark's default overhead and Google's for PySpark batches.
_LEAST_OVERHEAD, _SPARK_SHARE, _BATCH_SHARE = 384, 0.1, 0.4
# Google's limits for each processor of a serverless executor.
_BATCH_CPUS, _BATCH_LEAST, _BATCH_MOST, _BATCH_HEAP = ("4", "8", "16"), 1024, 7424, "9600m"
_ROCKSDB = "spark.sql.streaming.stateStore."
_UNITS = {"k": 1 / 1024, "m": 1.0, "g": 1024.0}


def refusal_of_batch(properties: Mapping[str, str]) -> str | None:
    """Returns why Google refuses the executors of a serverless batch.

    None if it accepts them.
    """
    cores = properties.get("spark.executor.cores", "4")
    if cores not in _BATCH_CPUS:
        return f"spark.executor.cores {cores} is not one of {', '.join(_BATCH_CPUS)}"
    heap, overhead = _sizes(properties, _BATCH_HEAP, _BATCH_SHARE)
    if not _BATCH_LEAST <= (heap + overhead) / int(cores) <= _BATCH_MOST:
        return (
            f"Total executor memory per executor core must be between {_BATCH_LEAST}m and {_BATCH_MOST}m, "
            f"but is {heap + overhead:.0f}m for {cores} cores"
        )
    return None


def end_of_batch(properties: Mapping[str, str]) -> str | None:
    """Returns why the executors of a serverless batch are killed.

    None if they are not.
    """
    return _beyond(properties, *_sizes(properties, _BATCH_HEAP, _BATCH_SHARE))


def end_on_cluster(properties: Mapping[str, str], cluster: dataproc.Cluster) -> str | None:
    """Returns why the executors of a job do not start or are killed.

    None if they run.
    """
    worker = _memory_of(cluster) * _YARN_SHARE
    # Without a size, Dataproc gives half a worker to an executor.
    heap, overhead = _sizes(properties, f"{worker / 2 / 1.1:.0f}m", _SPARK_SHARE)
    if heap + overhead > worker:
        return (
            f"Required executor memory ({heap:.0f} MB), offHeap memory (0) MB, overhead ({overhead:.0f} MB), and "
            f"PySpark memory (0 MB) is above the max threshold ({worker:.0f} MB) of this cluster!"
        )
    return _beyond(properties, heap, overhead)


def _beyond(properties: Mapping[str, str], heap: float, overhead: float) -> str | None:
    """Returns why a process that may outgrow its container is killed."""
    options = re.search(r"-XX:MaxDirectMemorySize=(\S+)", properties.get("spark.executor.extraJavaOptions", ""))
    direct = _mib(options[1]) if options else heap
    used = heap + direct + _JAVA + _rocksdb(properties)
    if used <= heap + overhead:
        return None
    return (
        f"Container killed by YARN for exceeding physical memory limits. {used:.0f} MB of {heap + overhead:.0f} MB "
        "physical memory used. Consider boosting spark.executor.memoryOverhead."
    )


def _rocksdb(properties: Mapping[str, str]) -> float:
    if not properties.get(f"{_ROCKSDB}providerClass", "").endswith("RocksDBStateStoreProvider"):
        return 0.0
    bounded = properties.get(f"{_ROCKSDB}rocksdb.boundedMemoryUsage") == "true"
    return float(properties.get(f"{_ROCKSDB}rocksdb.maxMemoryUsageMB", "500")) if bounded else float("inf")


def _sizes(properties: Mapping[str, str], default: str, share: float) -> tuple[float, float]:
    """Returns the heap and the overhead."""
    heap = _mib(properties.get("spark.executor.memory", default))
    overhead = properties.get("spark.executor.memoryOverhead")
    return heap, _mib(overhead) if overhead else max(_LEAST_OVERHEAD, share * heap)


def _memory_of(cluster: dataproc.Cluster) -> float:
    """Returns the memory of a cluster's workers, or of its only machine."""
    config = cluster.config
    group = config.worker_config if config.worker_config.num_instances else config.master_config
    found = re.search(r"-(standard|highmem|highcpu)-(\d+)$", group.machine_type_uri)
    return 1024 * (int(found[2]) * _GIB_PER_CPU[found[1]] if found else _WORKER_GIB)


def _mib(size: str) -> float:
    """Returns a size in MiB, which is also Spark's unit of a number without one."""
    unit = size[-1].lower()
    return float(size[:-1]) * _UNITS[unit] if unit in _UNITS else float(size)
