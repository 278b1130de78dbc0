"""Estimates the costs of a deployment from Google's list prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tandem.platforms.dataproc.memory import executor_of, worker_of
from tandem.platforms.parity import spark_settings
from tandem.settings.model import EXECUTORS, Settings

_HOURS_A_MONTH = 730
_DATAPROC_PER_CPU_HOUR = 0.010
# N2 standard machines in us-central1; other series and regions differ by tens of per cent.
_MACHINE_PER_CPU_HOUR = 0.0486
# Serverless: Google's unit of processor and memory, and each process's disks. Google's page of Spark properties names
# their size, by spark.dataproc.driver.disk.size and spark.dataproc.executor.disk.size; nothing here has measured it.
_UNIT_HOUR = 0.06
_UNITS_PER_CPU, _UNITS_PER_GIB = 0.6, 0.1
_DISK_GIB_MONTH = 0.04
# A serverless driver: its heap of 9600 MiB and 40 % besides, which is Google's default for PySpark.
_DRIVER_CPUS, _DRIVER_GIB, _SERVERLESS_DISK_GIB = 4, 9600 * 1.4 / 1024, 400
# Boot disks, for each GiB and month.
_BOOT_DISK = {"pd-standard": 0.04, "pd-balanced": 0.10, "pd-ssd": 0.17}
# Cloud Storage charges for lists as for writes. Deletions are free.
_PER_1000_CHANGES, _PER_1000_READS = 0.005, 0.0004
_STORAGE_GIB_MONTH = 0.02
_SOFT_DELETE_DAYS = 7
# Cloud Logging, beyond the first fifty GiB of a project's month. A batch logs a line of so many bytes.
_LOG_GIB, _LOG_LINE_BYTES = 0.50, 1500
# Measured in the rehearsal, where a test counts them again. Each file of the checkpoint is written and then renamed,
# which copies it. Hadoop's file system lists a folder before most of its steps.
_CHANGES_A_BATCH, _READS_A_BATCH = 18, 23
# For each state store: a file of changes and, every tenth batch, a snapshot.
_CHANGES_A_STORE, _READS_A_STORE = 12, 20
# Until format 3, a join has two stores for each side in each partition.
_STORES_OF_OLD_JOIN, _OLD_JOIN = 4, ("1", "2")


@dataclass(frozen=True)
class Requests:
    """Requests to Cloud Storage.

    Attributes:
        changes: writes, copies and lists.
        reads: reads of objects and of their descriptions.
    """

    changes: int
    reads: int


def requests_of_batch(settings: Settings) -> Requests:
    """Returns the requests of one batch of a join; other pipelines make fewer."""
    spark = spark_settings(settings)
    old = spark.get("spark.sql.streaming.join.stateFormatVersion", "2") in _OLD_JOIN
    stores = int(spark.get("spark.sql.shuffle.partitions", "200")) * (_STORES_OF_OLD_JOIN if old else 1)
    return Requests(_CHANGES_A_BATCH + _CHANGES_A_STORE * stores, _READS_A_BATCH + _READS_A_STORE * stores)


def notes(settings: Settings) -> Iterator[str]:
    """Yields one line per cost, in US dollars."""
    yield from _serverless(settings) if settings.gcp.serverless else _cluster(settings)
    # A batch takes a second, even if the next one need not wait.
    every_s = max(settings.job.trigger_seconds, 1.0)
    requests = requests_of_batch(settings)
    each = (requests.changes * _PER_1000_CHANGES + requests.reads * _PER_1000_READS) / 1000
    yield (
        f"checkpoint: about {requests.changes} writes and lists and {requests.reads} reads of Cloud Storage every "
        f"{every_s:g} s: up to ${86_400 / every_s * each:.2f} a day"
    )
    kept = _SOFT_DELETE_DAYS * _STORAGE_GIB_MONTH
    yield (
        f"bucket: ${_STORAGE_GIB_MONTH:.2f} a month for each GiB; with soft delete, which Google sets by default, "
        f"another ${kept:.2f} for each GiB of checkpoint that is replaced in a day; `tandem doctor` checks it"
    )
    logged = 30 * 86_400 / every_s * _LOG_LINE_BYTES / 2**30
    yield (f"Cloud Logging: about {logged:.1f} GiB a month; ${_LOG_GIB:.2f} for each GiB beyond the project's first 50")
    yield "not counted: Cloud NAT with its address and traffic, Secret Manager"
    yield f"Kafka and MongoDB: by their own price lists; topics of {settings.kafka.partitions} partitions"


def _serverless(settings: Settings) -> Iterator[str]:
    executors, size = int(settings.spark.get(EXECUTORS, "2")), executor_of(settings)
    units = _units(_DRIVER_CPUS, _DRIVER_GIB) + executors * _units(size.cores, size.container / 1024)
    hourly = units * _UNIT_HOUR
    disks = (1 + executors) * _SERVERLESS_DISK_GIB * _DISK_GIB_MONTH
    yield (
        f"serverless: a driver and {executors} executors of {size.cores} vCPU, {units:.1f} DCU: about "
        f"${hourly:.2f} an hour, ${hourly * _HOURS_A_MONTH:.0f} a month, and ${disks:.0f} a month for their disks"
    )
    yield f"it ends after {settings.gcp.ttl_hours} hours, after a failure, or with `tandem destroy`"


def _units(cpus: int, gib: float) -> float:
    return cpus * _UNITS_PER_CPU + gib * _UNITS_PER_GIB


def _cluster(settings: Settings) -> Iterator[str]:
    google = settings.gcp
    machines = 1 + google.workers
    cpus = machines * worker_of(settings).cpus
    hourly = cpus * (_DATAPROC_PER_CPU_HOUR + _MACHINE_PER_CPU_HOUR)
    yield (
        f"cluster: {machines} x {google.machine}, {cpus} vCPU: about ${hourly:.2f} an hour, "
        f"${hourly * _HOURS_A_MONTH:.0f} a month"
    )
    price = _BOOT_DISK.get(google.disk_type)
    monthly = f"${machines * google.disk_gb * price:.0f} a month" if price else "not counted: see Google's price list"
    yield f"disks: {machines} x {google.disk_gb} GB {google.disk_type}: {monthly}"
    yield f"it deletes itself after {google.idle_delete_minutes} minutes without a job, if Tandem created it"
