"""Watches MongoDB's change stream: a document that was stored may neither change nor vanish."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from bson import BSON
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tandem.pipelines.orders_payments.streams import FACTS, UNMATCHED

Key = tuple[str, str]


class Watcher(threading.Thread):
    """Remembers what each document looked like when it came.

    Args:
        uri: where MongoDB is; it may go away for a while.
        database: which one.

    Attributes:
        problems: each change that should not have been.
    """

    def __init__(self, uri: str, database: str) -> None:
        super().__init__(name="watcher", daemon=True)
        self.problems: list[str] = []
        self.documents: dict[Key, str] = {}
        self._uri, self._name = uri, database
        self._ended, self._watching = threading.Event(), threading.Event()
        self._token: Any = None

    def begin(self) -> None:
        """Returns when nothing can happen unseen any more."""
        self.start()
        assert self._watching.wait(30)

    def end(self) -> None:
        self._ended.set()
        self.join(30)

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                self._watch()
            except PyMongoError:  # it is the database's turn; the token says where to go on
                self._ended.wait(0.2)

    def _watch(self) -> None:
        with MongoClient[dict[str, Any]](self._uri, serverSelectionTimeoutMS=1000, socketTimeoutMS=5000) as client:
            stages = [{"$match": {"ns.coll": {"$in": [FACTS.name, UNMATCHED.name]}}}]
            with client[self._name].watch(stages, resume_after=self._token, max_await_time_ms=200) as stream:
                self._token = stream.resume_token
                self._watching.set()
                while not self._ended.is_set():
                    if (change := stream.try_next()) is not None:
                        self._take(change)
                    self._token = stream.resume_token

    def _take(self, change: dict[str, Any]) -> None:
        kind = change["operationType"]
        if kind not in ("insert", "replace", "update", "delete"):
            return
        key = (change["ns"]["coll"], change["documentKey"]["_id"])
        content = hashlib.sha256(BSON.encode(change["fullDocument"])).hexdigest() if "fullDocument" in change else None
        before = self.documents.get(key)
        if kind in ("update", "delete") or (before is not None and before != content):
            self.problems.append(f"{kind} of {key}")
        elif content is not None:
            self.documents[key] = content
