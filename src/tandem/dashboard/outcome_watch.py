"""Counts every record's outcome, by documents and committed offsets."""

from __future__ import annotations

import time
from typing import Any

from pymongo.errors import PyMongoError

from tandem.dashboard.background import Watcher
from tandem.dashboard.declaration import ShownPipeline
from tandem.dashboard.mongo import Documents
from tandem.dashboard.state import Account, PipelineState, committed
from tandem.engine.declare.stream import JOB_COLLECTION
from tandem.verify.settle import newest_report

# Counting takes longer as collections grow, so it may use at most this share of the time.
_SHARE = 0.05
_LOOK_S = 0.4


class OutcomeWatch(Watcher):
    """Counts again after each change.

    Args:
        database: the pipeline's database.
        declaration: the pipeline's streams and view.
        state: the state to read, and to write the account to.
    """

    def __init__(self, database: Documents, declaration: ShownPipeline, state: PipelineState) -> None:
        super().__init__("outcome watch", (PyMongoError,))
        self._database, self._declaration, self._state = database, declaration, state

    def watch(self) -> None:
        """See ``Watcher.watch``."""
        done = -1
        while not self.stopping.wait(_LOOK_S):
            with self._state.lock:
                changes, there = self._state.changes, self._state.mongo.up and self._state.progress is not None
            if changes == done or not there:
                continue
            began = time.monotonic()
            account = self._account()
            with self._state.lock:
                self._state.account = account
                self._state.touch()
            done = changes if account.sound else -1
            self.stopping.wait((time.monotonic() - began) / _SHARE)

    def _account(self) -> Account:
        view = self._declaration.view
        results = self._database[view.results.name].count_documents({})
        leftovers = self._database[view.leftovers.name].count_documents({}) if view.leftovers else 0
        written = {stream.name: self._documents(stream.name, results) for stream in self._declaration.streams}
        # Read after the documents: a batch writes its documents before it commits.
        report = newest_report(self._database[JOB_COLLECTION], self._declaration.name)
        late = int((report or {}).get("late_total") or 0)
        with self._state.lock:
            dead = dict(self._state.dead)
        streams: dict[str, dict[str, int | None]] = {}
        sound = True
        for stream in self._declaration.streams:
            reported = ((report or {}).get("streams") or {}).get(stream.name) or {}
            counts: dict[str, int | None] = {
                "consumed": sum(committed(report, stream.topic).values()),
                **written[stream.name],
                "dead": sum(number for (topic, _), number in dead.items() if topic == stream.topic),
                "control": int(reported.get("control") or 0),
            }
            known = sum(number or 0 for name, number in counts.items() if name != "consumed")
            rest = (counts["consumed"] or 0) - known
            sound = sound and rest >= 0
            streams[stream.name] = {**counts, "rest": max(0, rest)}
        waiting = bool((report or {}).get("state_events"))
        return Account(time.time(), results, leftovers, late, streams, waiting, sound)

    def _documents(self, stream: str, results: int) -> dict[str, int | None]:
        view = self._declaration.view
        tally = view.tallies.get(stream)
        if tally is None:
            return {"matched": None, "unmatched": None}
        unmatched = (
            self._database[view.leftovers.name].count_documents(dict(tally.leftover))
            if view.leftovers and tally.leftover
            else 0
        )
        if tally.summed:
            return {"matched": self._sum(view.results.name, tally.matched), "unmatched": unmatched}
        return {
            "matched": self._distinct(view.results.name, tally.matched) if tally.many else results,
            "unmatched": unmatched,
        }

    def _sum(self, collection: str, field: str) -> int:
        stages: list[dict[str, Any]] = [{"$group": {"_id": None, "n": {"$sum": f"${field}"}}}]
        return next((int(row["n"]) for row in self._database[collection].aggregate(stages)), 0)

    def _distinct(self, collection: str, field: str) -> int:
        # In the order of the index, so that MongoDB scans the index only.
        stages: list[dict[str, Any]] = [{"$sort": {field: 1}}, {"$group": {"_id": f"${field}"}}, {"$count": "n"}]
        return next((int(row["n"]) for row in self._database[collection].aggregate(stages)), 0)
