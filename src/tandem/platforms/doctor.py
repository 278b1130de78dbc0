"""Checks an environment: each check returns a value and, if it fails, a fix.

All checks run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from platform import python_version
from typing import assert_never

from tandem import __version__
from tandem.artifacts.cache import environment_sets
from tandem.artifacts.ivy import check_spark
from tandem.artifacts.lock import locked, sha256_of
from tandem.checkout import fragments
from tandem.errors import TandemError
from tandem.foreign.inheritance import effects
from tandem.foreign.telemetry_variables import unused_addresses
from tandem.local_spark.folder_names import check_folder_names
from tandem.local_spark.heap import heap_mib, machine_memory
from tandem.local_spark.java import find_java
from tandem.platforms import service_checks
from tandem.platforms.compose.cli import ports as compose_ports
from tandem.platforms.compose.cli import variables
from tandem.platforms.compose.containers import Containers
from tandem.platforms.compose.engine import check_builder, check_memory, find_engine
from tandem.platforms.compose.mounts import check_mounts
from tandem.platforms.compose.project_folder import project_folder
from tandem.platforms.findings import Finding, findings
from tandem.platforms.local_services.mongod import find_mongod, version_of
from tandem.platforms.local_services.prepare import ports as embedded_ports
from tandem.platforms.parity import runtime_of
from tandem.platforms.ports import holder, refusal
from tandem.runtimes import runtimes
from tandem.settings.heap_size import DRIVER, LEAST_MIB
from tandem.settings.heap_size import heap_mib as size_in_mib
from tandem.settings.model import Backend, Settings
from tandem.settings.sources import read_lines

_MINIMUM_DISK_GIB = 2
# Besides the driver's heap: Kafka's heap of 0.5, MongoDB's cache of 1.5 and RocksDB's of 0.5, and what else runs.
_BESIDE_HEAP_GIB = 3


def examine(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """Yields the result of each check, in the order of a start.

    Args:
        settings: the profile's settings.
        running: whether the environment runs: then its ports are in use, and its services must answer.
    """
    own = _own_checks(settings.backend)
    yield Finding("Tandem", "good", f"{__version__}, with Python {python_version()}")
    # Managed services.
    running = running or settings.backend == "dataproc"
    shared = {
        "disk": lambda: _disk(settings),
        "Kafka": lambda: _when(running, lambda: service_checks.kafka(settings)),
        "Kafka's topics": lambda: _when(running, lambda: service_checks.uncompacted(settings)),
        "Kafka's rights": lambda: _when(running, lambda: service_checks.kafka_rights(settings)),
        "record times": lambda: _when(running, lambda: service_checks.record_times(settings)),
        "Kafka's clock": lambda: _when(running, lambda: service_checks.kafka_clock(settings)),
        "MongoDB": lambda: _when(running, lambda: service_checks.replica_set(settings)),
        "MongoDB's clock": lambda: _when(running, lambda: service_checks.mongo_clock(settings)),
    }
    yield from findings({**own(settings, running), **shared})
    telemetry = settings.telemetry
    unused = unused_addresses(telemetry.otlp_endpoint, telemetry.openlineage_url)
    for name, answer in (effects() | unused).items():
        yield Finding(name, "good", answer)


def _own_checks(backend: Backend) -> Callable[[Settings, bool], Mapping[str, Callable[[], str]]]:
    match backend:
        case "embedded":
            return _embedded_checks
        case "compose":
            return _compose_checks
        case "dataproc":
            return _deployer_checks
        case "rehearsal":
            return _rehearsal_checks
        case unknown:
            assert_never(unknown)


def _when(running: bool, check: Callable[[], str]) -> str:
    if not running:
        raise service_checks.Skipped("the environment is not running")
    return check()


def _embedded_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    return {
        "processors": lambda: f"{os.cpu_count()}",
        "memory": lambda: _memory(settings),
        "state folder": lambda: check_folder_names(settings),
        "Java": lambda: _java(settings),
        "Spark": lambda: check_spark(runtimes().default.pyspark),
        "mongod": _mongod,
        "jars": lambda: _jars(settings, environment_sets()),
        "ports": lambda: _ports(embedded_ports(settings), running),
    }


def _deployer_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    """Returns the checks of a machine that deploys.

    It fetches jars and plans a batch, by Java and Spark.
    """
    local = {
        "Java": lambda: _java(settings),
        "Spark": lambda: check_spark(runtimes().default.pyspark),
        "jars": lambda: _jars(settings, (runtime_of(settings).jars,)),
    }
    return {**local, **_cloud_checks(settings, running)}


def _cloud_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    from tandem.platforms.dataproc.doctor import checks

    return {name: partial(_when, running, check) for name, check in checks(settings).items()}


def _rehearsal_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    from tandem_rehearsal.supervisor import ports

    own = _embedded_checks(settings, running)
    taken = {"ports": lambda: _ports(ports(settings), running)}
    return {**own, **taken, **_cloud_checks(settings, running)}


def _compose_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    return {
        "engine": _engine,
        "Compose": _compose_version,
        "buildx": lambda: check_builder(find_engine()),
        ".env": lambda: dotenv(settings),
        "mounted files": lambda: _mounts(settings),
        "ports": lambda: _ports(compose_ports(settings), running),
        "engine's disk": _engine_disk,
        "engine's clock": service_checks.engine_clock,
        "Kafka from containers": lambda: _when(running, lambda: service_checks.kafka_from_containers(settings)),
    }


def _memory(settings: Settings) -> str:
    memory = machine_memory()
    gib, own = memory / 2**30, settings.spark.get(DRIVER)
    heap = (size_in_mib(own) if own else heap_mib(memory)) / 2**10
    if gib >= heap + _BESIDE_HEAP_GIB:
        return f"{gib:.1f} GiB"
    room, hint = int((gib - _BESIDE_HEAP_GIB) * 2**10), "use a machine with more memory"
    if room >= LEAST_MIB:
        hint += f', or a heap for smaller backlogs: TANDEM_SPARK={{"{DRIVER}": "{room}m"}}'
    raise TandemError(
        f"{gib:.1f} GiB, but {heap + _BESIDE_HEAP_GIB:.1f} are needed: the job's heap may grow to {heap:.1f}, and "
        f"Kafka, MongoDB and the rest take {_BESIDE_HEAP_GIB}",
        hint=hint,
    )


def _java(settings: Settings) -> str:
    java = find_java(settings.java_home, runtimes().minimum_java)
    return f"{java.version} ({java.program})"


def _mongod() -> str:
    program = find_mongod()
    return f"{version_of(program)} ({program})"


def _jars(settings: Settings, names: Iterable[str]) -> str:
    folder = settings.cache_dir / "jars"
    bad, seen = [], 0
    for jar_set in map(locked().__getitem__, names):
        place = folder / f"{jar_set.name}-{jar_set.digest}"
        if not place.is_dir():
            raise service_checks.Skipped(
                f"{jar_set.name}: not downloaded yet; the first start or deployment downloads it"
            )
        for jar in jar_set.jars:
            seen += 1
            file = place / jar.file
            if not file.is_file() or sha256_of(file) != jar.sha256:
                bad.append(jar.file)
    if bad:
        raise TandemError(f"{len(bad)} of {seen} differ from the lock, such as {bad[0]}", hint=f"remove {folder}")
    return f"{seen} in {folder}, each with the checksum of the lock"


def _ports(ports: Mapping[str, int], running: bool) -> str:
    if running:
        raise service_checks.Skipped(f"in use by this environment: {', '.join(str(port) for port in ports.values())}")
    busy = {name: port for name, port in ports.items() if refusal(port)}
    if busy:
        holders = "; ".join(f"{port} is {holder(port)}" for port in busy.values())
        raise TandemError(holders, hint=f"stop it, or set {', '.join(busy)} to free ports")
    return f"free: {', '.join(str(port) for port in ports.values())}"


def _disk(settings: Settings) -> str:
    return _room(settings.home, hint="free some space, or set TANDEM_STATE_DIR to another disk")


def _room(folder: Path, *, hint: str) -> str:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    gib = shutil.disk_usage(there).free / 2**30
    if gib < _MINIMUM_DISK_GIB:
        raise TandemError(f"{gib:.1f} GiB free for {folder}, but {_MINIMUM_DISK_GIB} are needed", hint=hint)
    return f"{gib:.0f} GiB free for {folder}"


def _engine() -> str:
    engine = find_engine()
    check_memory(engine)
    info = Containers(engine).info()
    name = "Podman" if engine.podman else "Docker"
    return f"{name} {info['ServerVersion']}, {info['NCPU']} processors, {engine.memory / 2**30:.1f} GiB of memory"


def _engine_disk() -> str:
    """Checks the disk on which the engine keeps volumes and images."""
    folder = Path(Containers(find_engine()).info()["DockerRootDir"])
    if not folder.exists():
        raise service_checks.Skipped(f"{folder} is on the engine's own machine")
    return _room(folder, hint="`docker system df` shows the usage; `docker system prune` frees unused space")


def _compose_version() -> str:
    # An older version was rejected before.
    return find_engine().compose


def _mounts(settings: Settings) -> str:
    rootless = find_engine().rootless
    check_mounts(project_folder(), settings.pipelines_dir, settings.profile_file, rootless=rootless)
    return "readable for the containers' users"


def dotenv(settings: Settings) -> str:
    """Checks that ``.env`` sets all variables of the compose files.

    In a project, ``.env`` of the packaged files has the defaults, except for mounts.

    Raises:
        TandemError: a variable or the file is missing.
    """
    folder = project_folder()
    own, packaged = folder / ".env", fragments(folder) / ".env"
    if not own.is_file():
        raise TandemError(".env is missing", hint="`git checkout .env`")
    names = {name for name, value in read_lines(own).items() if value is not None}
    if packaged != own:
        names |= {name for name in read_lines(packaged) if not name.endswith("_MOUNT")}
    # These belong to the machine or the command line, and have no default there.
    missing = sorted(set(variables(settings, "built")) - names)
    if missing:
        raise TandemError(f"it lacks {', '.join(missing)}", hint="`git diff .env` shows what was removed")
    return f"complete: {len(names)} variables"
