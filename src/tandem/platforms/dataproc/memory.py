"""Sizes the executors, so that all their memory fits into a container."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tandem.errors import UsageError
from tandem.job_files import TASKS_JAVA_OPTIONS
from tandem.platforms.dataproc.machine_type import MachineType, machine_type_of
from tandem.platforms.parity import spark_settings
from tandem.settings.model import EXECUTORS, Settings

# Besides the heap, in MiB. Java itself: classes, compiled code, threads, the collector.
_JAVA = 768
# Java's direct buffers, by which executors exchange data: Spark fetches up to 48 MiB for each task at once. Without a
# limit, Java allows as much as the heap.
_DIRECT, _DIRECT_PER_CORE = 128, 64
# RocksDB's bound is soft, and freed memory does not return to the system at once.
_ROCKSDB_TIMES = 2
# YARN has about three quarters of a worker's memory, and gives it in such steps.
_YARN_SHARE, _YARN_STEP = 0.75, 1024
# Each job's application master is on some worker.
_MASTER = 1024
_LEAST_HEAP = 1024
# A serverless executor: its processors, Google's default heap, and the limits of memory for each processor.
_SERVERLESS_CPUS, _SERVERLESS_HEAP, _SERVERLESS_LEAST, _SERVERLESS_MOST = (4, 8, 16), 9600, 1024, 7424
_CORES, _HEAP, _OVERHEAD = "spark.executor.cores", "spark.executor.memory", "spark.executor.memoryOverhead"
_ROCKSDB = "spark.sql.streaming.stateStore.rocksdb."
_SIZE = re.compile(r"(\d+)([kmgt]?)b?", re.IGNORECASE)
_MIB = {"k": 1 / 1024, "": 1, "m": 1, "g": 1024, "t": 1024**2}


@dataclass(frozen=True)
class Executor:
    """The size of an executor; memory is in MiB.

    Attributes:
        cores: the number of tasks that run at once.
        heap: Java's heap.
        rocksdb: the bound of RocksDB, which keeps the state; 0 if the state is in the heap.
        overhead: all memory besides the heap.
    """

    cores: int
    heap: int
    rocksdb: int
    overhead: int

    @property
    def container(self) -> int:
        """What YARN or a serverless batch gives to the process, as a whole."""
        return self.heap + self.overhead

    @property
    def direct(self) -> int:
        """The limit of Java's direct buffers."""
        return _DIRECT + _DIRECT_PER_CORE * self.cores

    @property
    def properties(self) -> dict[str, str]:
        """Its properties for Spark."""
        return {_CORES: str(self.cores), _HEAP: f"{self.heap}m", _OVERHEAD: f"{self.overhead}m"}


def executor_of(settings: Settings) -> Executor:
    """Returns the size of a profile's executors.

    By default, an executor of a cluster has half a worker.

    Raises:
        UsageError: it does not fit into a container, or a setting is no size.
    """
    spark, serverless = spark_settings(settings), settings.gcp.serverless
    worker = None if serverless else worker_of(settings)
    rocksdb = _rocksdb(spark)
    cores = _number(spark, _CORES, max(1, worker.cpus // 2) if worker else _SERVERLESS_CPUS[0])
    overhead = _overhead(spark, cores, rocksdb)
    if worker is None:
        executor = Executor(cores, _mib(spark, _HEAP, _SERVERLESS_HEAP), rocksdb, overhead)
        _check_batch(executor)
        return executor
    half = (_for_executors(worker) // 2) // _YARN_STEP * _YARN_STEP
    executor = Executor(cores, _mib(spark, _HEAP, half - overhead), rocksdb, overhead)
    _check_container(executor, worker, settings.gcp.machine)
    return executor


def worker_of(settings: Settings) -> MachineType:
    """Returns the machine that a cluster's executors run on.

    Raises:
        UsageError: the name of its type does not say its size.
    """
    machine = machine_type_of(settings.gcp.machine)
    if machine is None:
        raise UsageError(
            f"the memory of gcp.machine {settings.gcp.machine!r} is unknown",
            hint="use a type with processors in its name, such as n2-standard-4 or n2-custom-4-16384",
        )
    return machine


def with_memory(settings: Settings) -> dict[str, str]:
    """Returns Spark's settings of a job in the cloud, with the size of its executors.

    Raises:
        UsageError: an executor does not fit into a container.
    """
    spark, executor = spark_settings(settings), executor_of(settings)
    options = f"{spark.get(TASKS_JAVA_OPTIONS, '')} -XX:MaxDirectMemorySize={executor.direct}m".strip()
    return {**spark, **executor.properties, TASKS_JAVA_OPTIONS: options}


def note(settings: Settings) -> str:
    """Returns a line for the plan about the executors' memory."""
    executor = executor_of(settings)
    line = (
        f"memory of an executor: {executor.heap} MiB of heap, {_JAVA} for Java itself, {executor.direct} of direct "
        f"buffers and {_ROCKSDB_TIMES} x {executor.rocksdb} for RocksDB, together {executor.container} MiB"
    )
    if settings.gcp.serverless:
        return f"{line} for {executor.cores} vCPU"
    each = _for_executors(worker_of(settings)) // _in_steps(executor.container)
    line += f"; a worker ({settings.gcp.machine}) has room for {each}"
    wanted, workers = int(settings.spark.get(EXECUTORS, "2")), max(settings.gcp.workers, 1)
    if wanted <= each * workers:
        return line
    return f"{line}, so only {each * workers} of {wanted} executors would start: raise gcp.workers"


def _rocksdb(spark: dict[str, str]) -> int:
    """Returns RocksDB's bound in a process; 0 if the state is not in RocksDB."""
    if not spark.get("spark.sql.streaming.stateStore.providerClass", "").endswith("RocksDBStateStoreProvider"):
        return 0
    if spark.get(f"{_ROCKSDB}boundedMemoryUsage", "false").lower() != "true":
        raise UsageError(
            "RocksDB's memory has no bound, so YARN may kill an executor", hint=f"set {_ROCKSDB}boundedMemoryUsage=true"
        )
    # Spark's own default is 500.
    return _number(spark, f"{_ROCKSDB}maxMemoryUsageMB", 500)


def _overhead(spark: dict[str, str], cores: int, rocksdb: int) -> int:
    """Returns the memory besides the heap.

    Raises:
        UsageError: a setting is less than what is needed.
    """
    direct, state = _DIRECT + _DIRECT_PER_CORE * cores, _ROCKSDB_TIMES * rocksdb
    overhead = _mib(spark, _OVERHEAD, needed := _JAVA + direct + state)
    if overhead < needed:
        raise UsageError(
            f"{_OVERHEAD} is {overhead} MiB, but Java needs {_JAVA}, direct buffers {direct} and RocksDB {state} MiB",
            hint=f"set at least {needed}m, or leave it out",
        )
    return overhead


def _for_executors(worker: MachineType) -> int:
    """Returns the memory of a worker for executors, beside an application master."""
    return int(worker.memory_mib * _YARN_SHARE) - _MASTER


def _in_steps(memory: int) -> int:
    return -(-memory // _YARN_STEP) * _YARN_STEP


def _check_container(executor: Executor, worker: MachineType, name: str) -> None:
    """Raises if YARN cannot give an executor its memory on a worker."""
    if executor.heap < _LEAST_HEAP:
        raise UsageError(
            f"half of a {name} leaves an executor {max(executor.heap, 0)} MiB of heap besides {executor.overhead} MiB "
            "for Java itself and RocksDB",
            hint=f"set a larger gcp.machine, or {_HEAP} of at least {_LEAST_HEAP}m",
        )
    if _in_steps(executor.container) > (most := _for_executors(worker)):
        raise UsageError(
            f"an executor of {executor.heap} + {executor.overhead} MiB does not fit into a {name}, where YARN has "
            f"about {most} MiB for executors",
            hint=f"set a smaller {_HEAP}, or a larger gcp.machine",
        )


def _check_batch(executor: Executor) -> None:
    """Raises if Google does not allow an executor of a serverless batch."""
    if executor.cores not in _SERVERLESS_CPUS:
        raise UsageError(f"{_CORES} is {executor.cores}", hint="a serverless batch allows 4, 8 or 16")
    least, most = (executor.cores * each for each in (_SERVERLESS_LEAST, _SERVERLESS_MOST))
    if not least <= executor.container <= most:
        raise UsageError(
            f"an executor of {executor.heap} + {executor.overhead} MiB is outside of Google's limits for a serverless "
            f"batch: {least} to {most} MiB for {executor.cores} vCPU",
            hint=f"set {_HEAP}",
        )


def _number(spark: dict[str, str], name: str, default: int) -> int:
    found = spark.get(name, str(default))
    if not re.fullmatch("[1-9][0-9]{0,6}", found):
        raise UsageError(f"{name} is {found!r}", hint="write a whole number above 0")
    return int(found)


def _mib(spark: dict[str, str], name: str, default: int) -> int:
    """Returns a size of memory in MiB, which is also the unit of a number without one."""
    if name not in spark:
        return default
    found = _SIZE.fullmatch(spark[name].strip())
    if found is None:
        raise UsageError(f"{name} is {spark[name]!r}", hint="write a whole number and k, m, g or t, such as 4g")
    return int(int(found[1]) * _MIB[found[2].lower()])
