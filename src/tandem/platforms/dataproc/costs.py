"""Estimates the costs of a deployment from Google's list prices."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tandem.settings.model import Settings

_HOURS_A_MONTH = 730
_DATAPROC_PER_CPU_HOUR = 0.010
# N2 standard machines in us-central1; other series and regions differ by tens of per cent.
_MACHINE_PER_CPU_HOUR = 0.0486
# Serverless: Google's unit of processor and memory, and each process's disks.
_UNIT_HOUR = 0.06
_UNITS_PER_CPU, _UNITS_PER_GIB = 0.6, 0.1
_DISK_GIB_MONTH = 0.04
_SERVERLESS_CPUS, _SERVERLESS_GIB, _SERVERLESS_DISK_GIB = 4, 10.3, 400
# Boot disks, for each GiB and month.
_BOOT_DISK = {"pd-standard": 0.04, "pd-balanced": 0.10, "pd-ssd": 0.17}
_PER_1000_WRITES = 0.005
_STORAGE_GIB_MONTH = 0.02
_SOFT_DELETE_DAYS = 7
# Cloud Logging, beyond the first fifty GiB of a project's month. A batch logs a line of so many bytes.
_LOG_GIB, _LOG_LINE_BYTES = 0.50, 1500
# Offsets, commits and four state stores per partition; each is written and renamed.
_WRITES_A_BATCH = 4
_WRITES_A_PARTITION = 12


def notes(settings: Settings) -> Iterator[str]:
    """Yields one line per cost, in US dollars."""
    yield from _serverless(settings) if settings.gcp.serverless else _cluster(settings)
    # A batch takes a second, even if the next one need not wait.
    every_s = max(settings.job.trigger_seconds, 1.0)
    partitions = int(settings.spark.get("spark.sql.shuffle.partitions", "2"))
    writes = _WRITES_A_BATCH + _WRITES_A_PARTITION * partitions
    daily = 86_400 / every_s * writes / 1000 * _PER_1000_WRITES
    yield f"checkpoint: about {writes} writes to Cloud Storage every {every_s:g} s: up to ${daily:.2f} a day"
    kept = _SOFT_DELETE_DAYS * _STORAGE_GIB_MONTH
    yield (
        f"bucket: ${_STORAGE_GIB_MONTH:.2f} a month for each GiB; with soft delete, which Google sets by default, "
        f"another ${kept:.2f} for each GiB of checkpoint that is replaced in a day; `tandem doctor` checks it"
    )
    logged = 30 * 86_400 / every_s * _LOG_LINE_BYTES / 2**30
    yield (f"Cloud Logging: about {logged:.1f} GiB a month; ${_LOG_GIB:.2f} for each GiB beyond the project's first 50")
    yield f"Kafka and MongoDB: by their own price lists; topics of {settings.kafka.partitions} partitions"


def _serverless(settings: Settings) -> Iterator[str]:
    processes = 1 + int(settings.spark.get("spark.executor.instances", "2"))
    units = processes * (_SERVERLESS_CPUS * _UNITS_PER_CPU + _SERVERLESS_GIB * _UNITS_PER_GIB)
    hourly = units * _UNIT_HOUR
    disks = processes * _SERVERLESS_DISK_GIB * _DISK_GIB_MONTH
    yield (
        f"serverless: a driver and {processes - 1} executors of {_SERVERLESS_CPUS} vCPU, {units:.1f} DCU: about "
        f"${hourly:.2f} an hour, ${hourly * _HOURS_A_MONTH:.0f} a month, and ${disks:.0f} a month for their disks"
    )
    yield f"it ends after {settings.gcp.ttl_hours} hours, after a failure, or with `tandem destroy`"


def _cluster(settings: Settings) -> Iterator[str]:
    google = settings.gcp
    machines = 1 + google.workers
    cpus = machines * int(match[1]) if (match := re.search(r"-(\d+)$", google.machine)) else None
    if cpus:
        hourly = cpus * (_DATAPROC_PER_CPU_HOUR + _MACHINE_PER_CPU_HOUR)
        yield (
            f"cluster: {machines} x {google.machine}, {cpus} vCPU: about ${hourly:.2f} an hour, "
            f"${hourly * _HOURS_A_MONTH:.0f} a month, network not counted"
        )
    else:
        yield f"cluster: {machines} x {google.machine}: $0.010 an hour for each vCPU, and the machines themselves"
    price = _BOOT_DISK.get(google.disk_type)
    monthly = f"${machines * google.disk_gb * price:.0f} a month" if price else "not counted: see Google's price list"
    yield f"disks: {machines} x {google.disk_gb} GB {google.disk_type}: {monthly}"
    yield f"it deletes itself after {google.idle_delete_minutes} minutes without a job, if Tandem created it"
