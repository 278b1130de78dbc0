"""Examines what an environment needs: each check tells a value and, when that is bad, what mends it. All are run."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tandem.artifacts.cache import ENVIRONMENT
from tandem.artifacts.lock import locked, sha256_of
from tandem.errors import TandemError
from tandem.platforms.compose.cli import variables
from tandem.platforms.compose.containers import Containers
from tandem.platforms.compose.engine import check_memory, checkout, find_engine
from tandem.platforms.embedded.java import find_java
from tandem.platforms.embedded.mongod import find_mongod
from tandem.platforms.embedded.prepare import ports as embedded_ports
from tandem.platforms.ports import holder
from tandem.platforms.provision import streams_of
from tandem.runtimes import runtimes
from tandem.settings.connections import kafka_client, mongo_client
from tandem.settings.model import Settings

_MINIMUM_DISK_GIB = 2
_MINIMUM_MEMORY_GIB = 4
_MAX_SKEW_S = 2.0
_ASK_KAFKA = """
import logging, os, kafka
logging.disable()
admin = kafka.KafkaAdminClient(bootstrap_servers=os.environ["TANDEM_KAFKA__BOOTSTRAP"], bootstrap_timeout_ms=3000)
print(len(admin.list_topics()))
"""
_START = "`tandem up` starts it; `tandem logs` shows what it said"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name.
        state: ``good``, ``bad``, or ``skipped`` where it makes no sense at present.
        value: what is there, or why it was skipped.
        fix: what to do; only when it is bad.
    """

    check: str
    state: str
    value: str
    fix: str | None = None


class _Skipped(Exception):
    """A check makes no sense at present."""


def examine(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """Yields what each check of the profile's backend finds, in the order in which a start would need it.

    Args:
        settings: the profile's.
        running: whether the environment runs: then its ports are taken, and its services must answer.
    """
    own = {
        "compose": _compose_checks,
        "embedded": _embedded_checks,
        "dataproc": _cloud_checks,
        "rehearsal": _rehearsal_checks,
    }[settings.backend]
    # Somebody else runs them.
    running = running or settings.backend == "dataproc"
    shared = {
        "disk": lambda: _disk(settings),
        "Kafka": lambda: _when(running, lambda: _kafka(settings)),
        "Kafka's clock": lambda: _when(running, lambda: _kafka_clock(settings)),
        "MongoDB": lambda: _when(running, lambda: _replica_set(settings)),
        "MongoDB's clock": lambda: _when(running, lambda: _mongo_clock(settings)),
    }
    for name, check in {**own(settings, running), **shared}.items():
        yield _found(name, check)


def _found(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "good", check())
    except _Skipped as reason:
        return Finding(name, "skipped", str(reason))
    except TandemError as error:
        return Finding(name, "bad", str(error), error.hint)
    except (KafkaError, PyMongoError) as error:
        return Finding(name, "bad", f"does not answer: {type(error).__name__}", _START)


def _when(running: bool, check: Callable[[], str]) -> str:
    if not running:
        raise _Skipped("nothing runs")
    return check()


def _embedded_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    return {
        "processors": lambda: f"{os.cpu_count()}",
        "memory": _memory,
        "Java": lambda: _java(settings),
        "mongod": lambda: str(find_mongod().name),
        "jars": lambda: _jars(settings),
        "ports": lambda: _ports(embedded_ports(settings), running),
    }


def _cloud_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    from tandem.platforms.dataproc.doctor import checks

    return {name: partial(_when, running, check) for name, check in checks(settings).items()}


def _rehearsal_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    from tandem.platforms.rehearsal.supervisor import ports

    own = _embedded_checks(settings, running)
    taken = {"ports": lambda: _ports(ports(settings), running)}
    return {**own, **taken, **_cloud_checks(settings, running)}


def _compose_checks(settings: Settings, running: bool) -> Mapping[str, Callable[[], str]]:
    return {
        "engine": _engine,
        "Compose": _compose_version,
        ".env": lambda: _dotenv(settings),
        "ports": lambda: _ports(
            {name: int(value) for name, value in variables(settings, None).items() if name.endswith("_PORT")}, running
        ),
        "engine's clock": _engine_clock,
        "Kafka from containers": lambda: _when(running, lambda: _kafka_from_containers(settings)),
    }


def _memory() -> str:
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if gib < _MINIMUM_MEMORY_GIB:
        raise TandemError(f"{gib:.1f} GiB, and {_MINIMUM_MEMORY_GIB} are needed", hint="close what else needs memory")
    return f"{gib:.1f} GiB"


def _java(settings: Settings) -> str:
    java = find_java(settings.java_home, runtimes().minimum_java)
    return f"{java.version} ({java.program})"


def _jars(settings: Settings) -> str:
    folder = settings.cache_dir / "jars"
    bad, seen = [], 0
    for jar_set in map(locked().__getitem__, ENVIRONMENT):
        place = folder / f"{jar_set.name}-{jar_set.digest}"
        if not place.is_dir():
            raise _Skipped(f"{jar_set.name}: not downloaded yet; the first start does that")
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
        raise _Skipped(f"in use by this environment: {', '.join(str(port) for port in ports.values())}")
    busy = {name: port for name, port in ports.items() if _taken(port)}
    if busy:
        told = "; ".join(f"{port} is {holder(port)}" for port in busy.values())
        raise TandemError(told, hint=f"stop it, or set {', '.join(busy)} to free ports")
    return f"free: {', '.join(str(port) for port in ports.values())}"


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _disk(settings: Settings) -> str:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    gib = shutil.disk_usage(folder).free / 2**30
    if gib < _MINIMUM_DISK_GIB:
        raise TandemError(
            f"{gib:.1f} GiB free for {settings.home}, and {_MINIMUM_DISK_GIB} are needed",
            hint="free some space, or set TANDEM_STATE_DIR to another disk",
        )
    return f"{gib:.0f} GiB free for {settings.home}"


def _engine() -> str:
    engine = find_engine()
    check_memory(engine)
    info = Containers(engine).info()
    return f"{info['ServerVersion']}, {info['NCPU']} processors, {engine.memory / 2**30:.1f} GiB of memory"


def _compose_version() -> str:
    # One that is too old was refused.
    return find_engine().compose


def _dotenv(settings: Settings) -> str:
    file: Path = checkout() / ".env"
    if not file.is_file():
        raise TandemError(".env is not there", hint="`git checkout .env`")
    lines = (line.split("=", 1)[0] for line in file.read_text("utf-8").splitlines() if "=" in line and line[0] != "#")
    names = set(lines)
    # Those are of the machine or the command line, and have no default there.
    missing = sorted(set(variables(settings, "built")) - names)
    if missing:
        raise TandemError(f"it lacks {', '.join(missing)}", hint="`git diff .env` shows what was removed")
    return f"complete: {len(names)} variables"


def _kafka(settings: Settings) -> str:
    with KafkaAdminClient(**kafka_client(settings.kafka), bootstrap_timeout_ms=3000) as admin:
        brokers = len(admin.describe_cluster().get("brokers") or ())
        there = set(admin.list_topics())
    streams, dead = streams_of(settings.place)
    missing = sorted({dead, *(stream.topic for stream in streams)} - there)
    if missing:
        raise TandemError(f"{settings.kafka.bootstrap} lacks the topic {missing[0]}", hint=_START)
    return f"{settings.kafka.bootstrap}, {brokers} broker{'s' if brokers != 1 else ''}, all topics"


def _kafka_from_containers(settings: Settings) -> str:
    """Asks with the client in the dashboard's container: a broker tells each client by which name to come back."""
    containers = Containers(find_engine())
    project = settings.project or containers.project_of(checkout())
    asked = containers.run_in(project, "dashboard", "python", "-c", _ASK_KAFKA) if project else None
    if asked is None:
        raise _Skipped("the dashboard's container, from which it would be asked, does not run")
    code, said = asked
    lines = said.strip().splitlines()
    if code != 0:
        raise TandemError(f"no answer in a container: {lines[-1][:200] if lines else f'exit code {code}'}", hint=_START)
    return f"{lines[-1]} topics at the brokers' own address"


def _kafka_clock(settings: Settings) -> str:
    """Kafka tells no time, but dates every record: none can be newer than now."""
    streams, _ = streams_of(settings.place)
    consumer: Any = KafkaConsumer(**kafka_client(settings.kafka), bootstrap_timeout_ms=3000, request_timeout_ms=5000)
    ahead_of_now = int((time.time() + _MAX_SKEW_S) * 1000)
    try:
        parts = [TopicPartition(s.topic, n) for s in streams for n in consumer.partitions_for_topic(s.topic) or ()]
        consumer.assign(parts)
        found = consumer.offsets_for_times(dict.fromkeys(parts, ahead_of_now))
    finally:
        consumer.close()
    if any(each is not None for each in found.values()):
        raise TandemError("it dates records in the future", hint="set the clocks of both machines by NTP")
    return "no record is dated in the future"


def _client(settings: Settings) -> MongoClient[dict[str, Any]]:
    return MongoClient(**mongo_client(settings.mongo), serverSelectionTimeoutMS=3000, tz_aware=True)


def _replica_set(settings: Settings) -> str:
    with _client(settings) as client:
        hello = client.admin.command("hello")
        version = client.server_info()["version"]
    if not hello.get("isWritablePrimary"):
        raise TandemError("it is no writable primary of a replica set", hint=_START)
    return f"{version}, primary of {hello.get('setName')} with {len(hello.get('hosts', ()))} member"


def _mongo_clock(settings: Settings) -> str:
    with _client(settings) as client:
        before = time.time()
        theirs: datetime = client.admin.command("hello")["localTime"]
        return _skew(theirs.timestamp(), before, time.time())


def _engine_clock() -> str:
    containers = Containers(find_engine())
    before = time.time()
    theirs = datetime.fromisoformat(containers.info()["SystemTime"][:26].rstrip("Z") + "+00:00").timestamp()
    return _skew(theirs, before, time.time())


def _skew(theirs: float, before: float, after: float) -> str:
    skew = 0.0 if before <= theirs <= after else min(theirs - before, theirs - after, key=abs)
    if abs(skew) > _MAX_SKEW_S:
        raise TandemError(f"{skew:+.1f} s from this machine's", hint="set both by NTP; restart Docker Desktop")
    return f"{skew:+.1f} s from this machine's"
