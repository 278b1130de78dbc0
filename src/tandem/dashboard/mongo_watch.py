"""Checks every second whether MongoDB answers."""

from __future__ import annotations

from pymongo.errors import PyMongoError

from tandem.dashboard.connect import Documents
from tandem.dashboard.state import State
from tandem.dashboard.watcher import Watcher

EVERY_S = 1.0


class MongoWatch(Watcher):
    """Records whether MongoDB answers. A change stream notices too late: it tries to resume first.

    Args:
        database: the pipeline's database, on a connection with a short timeout.
        state: the state to write to.
    """

    def __init__(self, database: Documents, state: State) -> None:
        super().__init__("mongo-watch", (PyMongoError,))
        self._database, self._state = database, state

    def watch(self) -> None:
        """See ``Watcher.watch``."""
        version = str(self._database.client.server_info()["version"])
        while not self.stopping.wait(EVERY_S):
            self._database.command("ping")
            with self._state.lock:
                if self._state.mongo.now(True, version):
                    self._state.touch()

    def lost(self, error: Exception) -> None:
        """See ``Watcher.lost``."""
        with self._state.lock:
            if self._state.mongo.now(False, type(error).__name__):
                self._state.touch()
