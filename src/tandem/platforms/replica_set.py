"""Makes a single mongod a replica set.

Acknowledged writes and change streams need one.
"""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient, ReadPreference
from pymongo.errors import OperationFailure

from tandem.waiting import NotYetError

REPLICA_SET = "rs0"
_INVALID_CONFIG = 93


def become_primary(address: str, **options: Any) -> None:
    """Returns when the mongod is the writable primary of its replica set.

    Initiates it if needed.

    Args:
        address: ``host:port``, by which every client can reach it.
        options: further options of the client.

    Raises:
        NotYetError: it is not the primary yet.
        PyMongoError: it does not answer.
    """
    client: MongoClient[dict[str, Any]]
    with MongoClient(address, directConnection=True, serverSelectionTimeoutMS=1000, **options) as client:
        hello = client.admin.command("hello")
        if hello.get("isWritablePrimary"):
            return
        members = [{"_id": 0, "host": address}]
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
        # The data was written with another port, so the node does not find itself among the members.
        config = admin.command("replSetGetConfig", read_preference=ReadPreference.NEAREST)["config"]
        admin.command("replSetReconfig", {**config, "version": config["version"] + 1, "members": members}, force=True)
