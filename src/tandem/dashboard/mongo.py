"""Connects to MongoDB with short timeouts, and checks whether it answers."""

from __future__ import annotations

from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tandem.dashboard.background import Watcher
from tandem.dashboard.state import PipelineState
from tandem.settings.connections import mongo_client
from tandem.settings.model import MongoSettings

# Dates stay numbers: the page formats them, and a datetime cannot hold years before 1 or after 9999.
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
# The server selection timeout.
SELECTION_MS = 2000
Documents = Database[dict[str, Any]]
PING_EVERY_S = 1.0


def database(mongo: MongoSettings, *, answer_within_ms: int) -> Documents:
    """Returns the pipeline's database; it connects at its first use.

    Args:
        mongo: where MongoDB is.
        answer_within_ms: how long a request may take, in milliseconds.
    """
    client: MongoClient[dict[str, Any]] = MongoClient(
        **mongo_client(mongo),
        appname="tandem-dashboard",
        connect=False,
        serverSelectionTimeoutMS=SELECTION_MS,
        connectTimeoutMS=2000,
        socketTimeoutMS=answer_within_ms,
        maxPoolSize=4,
    )
    return client.get_database(mongo.database, codec_options=CODEC, read_preference=ReadPreference.PRIMARY_PREFERRED)


def milliseconds(date: Any) -> int | None:
    """Returns a stored date in milliseconds since 1970; None if it is no date."""
    try:
        return None if date is None else int(date)
    except (TypeError, ValueError):
        return None


class MongoWatch(Watcher):
    """Records whether MongoDB answers.

    A change stream notices too late: it tries to resume first.

    Args:
        database: the pipeline's database, on a connection with a short timeout.
        state: the state to write to.
    """

    def __init__(self, database: Documents, state: PipelineState) -> None:
        super().__init__("mongo-watch", (PyMongoError,))
        self._database, self._state = database, state

    def watch(self) -> None:
        """See ``Watcher.watch``."""
        version = str(self._database.client.server_info()["version"])
        while not self.stopping.wait(PING_EVERY_S):
            self._database.command("ping")
            with self._state.lock:
                if self._state.mongo.now(True, version):
                    self._state.touch()

    def lost(self, error: Exception) -> None:
        """See ``Watcher.lost``."""
        with self._state.lock:
            if self._state.mongo.now(False, type(error).__name__):
                self._state.touch()
