"""Watches the pipeline's collections: counts, times and amounts."""

from __future__ import annotations

import time
from typing import Any

from bson.decimal128 import Decimal128
from pymongo.errors import PyMongoError

from tandem.dashboard.background import Watcher
from tandem.dashboard.mongo import Documents, milliseconds
from tandem.dashboard.state import PipelineState
from tandem.engine.declare.view import View

# Above this number of documents a second, the dashboard does not read every document. It takes their number from the
# collection's count, and estimates their amounts from the documents that it read. So a backlog costs no more than a
# steady load.
BUDGET = 8000
_AWAIT_MS = 500
# With the default, MongoDB sends up to 16 MB at once to a slow reader, and decoded documents take ten times as much.
_AT_ONCE = 1000
# An older event belongs to a replayed history: its age is no latency.
_HISTORY_S = 3600.0
_LATE_CLOCK_S = -300.0
# A valid amount near the limit of 64 bits would hide all others in the sum.
_LARGEST_SUMMED = 1e12


class ResultWatch(Watcher):
    """Counts results by the second and keeps the newest.

    Args:
        database: the pipeline's database.
        view: the collections and fields.
        state: the state to write to.
        budget: the most changes to read in a second.
    """

    def __init__(self, database: Documents, view: View, state: PipelineState, budget: int = BUDGET) -> None:
        super().__init__("result-watch", (PyMongoError,))
        self._database, self._view, self._state, self._budget = database, view, state, budget

    def watch(self) -> None:
        """See ``Watcher.watch``."""
        results = self._database[self._view.results.name]
        if not self._state.newest:
            shown = {column.field: 1 for column in self._view.columns}
            latest = list(results.find({}, {"_id": 1, **shown}, sort=[("$natural", -1)]).limit(12))
            with self._state.lock:
                self._state.newest.extend(reversed(latest))
                self._state.touch()
        counted = results.estimated_document_count()
        while not self.stopping.is_set():
            seen, money, newest = self._follow()
            # The budget is used up: until the second ends, documents are counted, not read.
            self.stopping.wait(1 - time.time() % 1)
            now = results.estimated_document_count()
            with self._state.lock:
                if (missed := now - counted - seen) > 0 and seen:
                    # A change stream is ordered: unread changes came after those that were read.
                    last = int(time.time()) - 1
                    self._state.seconds.spread(min(newest, last), last, missed, missed * money / seen)
                    self._state.sampled_at = time.time()
                self._state.changes += 1
                self._state.touch()
            counted = now

    def _follow(self) -> tuple[int, float, int]:
        """Reads the change stream until a second brings more than the budget.

        Returns the results seen, their money, and the second in which the last of them was stored.
        """
        watched = [each.name for each in (self._view.results, self._view.leftovers) if each]
        pipeline: list[dict[str, Any]] = [
            {"$match": {"ns.coll": {"$in": watched}}},
            {"$project": {"operationType": 1, "ns.coll": 1, "fullDocument": 1, "wallTime": 1}},
        ]
        seen, money, newest, second, used = 0, 0.0, 0, 0, 0
        with self._database.watch(pipeline, max_await_time_ms=_AWAIT_MS, batch_size=_AT_ONCE) as stream:
            while stream.alive and not self.stopping.is_set():
                change = stream.try_next()
                now = int(time.time())
                if now != second:
                    second, used = now, 0
                if change is None:
                    continue
                amount = self.count(change)
                used += 1
                if amount is not None:
                    seen, money, newest = seen + 1, money + amount, _stored_ms(change) // 1000
                if used > self._budget:
                    break
        return seen, money, newest

    def count(self, change: dict[str, Any]) -> float | None:
        """Counts a change.

        Returns the amount of a new result, None for every other change.
        """
        state = self._state
        document = change.get("fullDocument")
        if change["operationType"] != "insert" or change["ns"]["coll"] != self._view.results.name or document is None:
            with state.lock:
                state.changes += 1
            return None
        stored_ms = _stored_ms(change)
        amount = _amount(document.get(self._view.money)) if self._view.money else 0.0
        with state.lock:
            state.seconds.add(stored_ms // 1000, amount, self._latency(document, stored_ms))
            state.newest.append(document)
            state.changes += 1
            state.touch()
        return amount

    def _latency(self, document: dict[str, Any], stored_ms: int) -> float | None:
        times = [milliseconds(document.get(field)) for field in self._view.event_times]
        newest = max((time_ms for time_ms in times if time_ms is not None), default=None)
        if newest is None:
            return None
        latency = (stored_ms - newest) / 1000
        return max(0.0, latency) if _LATE_CLOCK_S < latency < _HISTORY_S else None


def _stored_ms(change: dict[str, Any]) -> int:
    return milliseconds(change.get("wallTime")) or int(time.time() * 1000)


def _amount(value: Any) -> float:
    number = float(str(value)) if isinstance(value, int | float | Decimal128) else 0.0
    return number if abs(number) <= _LARGEST_SUMMED else 0.0
