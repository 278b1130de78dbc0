"""Reads one driver's reports about its batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any, Self

import psutil
from bson.codec_options import CodecOptions
from pymongo import MongoClient

from tandem.engine.declare.stream import PROGRESS_COLLECTION
from tandem.errors import TandemError
from tandem.settings.connections import mongo_client
from tandem.settings.model import Settings
from tandem.verify.topics import Offsets
from tandem.waiting import NotYetError, wait_for

Report = Mapping[str, Any]
Ends = Mapping[str, Offsets]
_NEXT_BATCH_S = 600.0
# The long ones of Spark's phases of a batch.
_PHASES = {"queryPlanning": "of it planning the stream", "addBatch": "of it computing and writing"}


class Reports:
    """The progress documents of one driver.

    Args:
        settings: the pipeline's settings.
        pid: the driver's process id; None for any.
    """

    def __init__(self, settings: Settings, pid: int | None = None) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(**mongo_client(settings.mongo))
        aware = CodecOptions[dict[str, Any]](tz_aware=True, tzinfo=UTC)
        database = self._client[settings.mongo.database]
        self._collection = database.get_collection(PROGRESS_COLLECTION, codec_options=aware)
        self._pid = pid
        self._query: dict[str, Any] = {"pipeline": settings.pipeline} | ({} if pid is None else {"pid": pid})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def started_at(self) -> float:
        """Returns when the driver's query began, in seconds since the epoch."""
        report = self._collection.find_one({**self._query, "event": "started"})
        if report is None:
            raise LookupError("the driver has not reported its start")
        return float(report["at"].timestamp())

    def batches(self, since: float = 0.0, until: float | None = None) -> list[Report]:
        """Returns the reports of batches committed within a time, the oldest first.

        Args:
            since: in seconds since the epoch.
            until: likewise; None for now.
        """
        bounds = {"$gte": since, "$lt": time.time() if until is None else until}
        at = {name: datetime.fromtimestamp(bound, UTC) for name, bound in bounds.items()}
        return list(self._collection.find({**self._query, "event": "batch", "at": at}).sort("$natural", 1))

    def loaded(self, since: float, until: float) -> list[Report]:
        """Returns the reports of batches with records committed within a time.

        If there is none, waits for the next.

        Args:
            since: in seconds since the epoch.
            until: likewise.

        Raises:
            EnvironmentNotReadyError: none comes within ten minutes.
        """
        within = [report for report in self.batches(since, until) if report["input_rows"]]
        begin = datetime.fromtimestamp(since, UTC)
        return within or [
            self._first(
                "a batch with records", lambda report: report["input_rows"] and report["at"] >= begin, _NEXT_BATCH_S
            )
        ]

    def newest(self) -> Report:
        """Returns the report of the newest batch.

        Raises:
            LookupError: there is none.
        """
        found = self._collection.find_one({**self._query, "event": "batch"}, sort=[("$natural", -1)])
        if found is None:
            raise LookupError("the driver has reported no batch")
        return found

    def drained(self, ends: Ends, *, deadline_s: float) -> Report:
        """Returns the report of the batch that committed all records.

        These are the records up to ``ends``.

        Args:
            ends: the offset behind the last record, by topic and partition.
            deadline_s: how long to wait, in seconds.

        Raises:
            EnvironmentNotReadyError: the deadline passed.
            TandemError: the driver died.
        """
        return self._first("the backlog to be committed", lambda report: covers(report, ends), deadline_s)

    def settled(self, after: Report, *, deadline_s: float) -> Report:
        """Returns the report of the batch that closed another batch's windows.

        Args:
            after: the report of a batch that advanced the watermark.
            deadline_s: how long to wait, in seconds.
        """
        number = after["batch"]
        return self._first(
            "windows to be closed", lambda report: report["batch"] > number and not report["input_rows"], deadline_s
        )

    def _first(self, what: str, accepted: Any, deadline_s: float) -> Report:
        def probe() -> Report:
            batches = self.batches()
            for report in batches:
                if accepted(report):
                    return report
            if self._pid is not None and not psutil.pid_exists(self._pid):
                raise TandemError("the driver died", hint="see its log")
            last = batches[-1]["batch"] if batches else None
            raise NotYetError(f"the last batch is {last}")

        return wait_for(what, probe, deadline_s=deadline_s, hint="see the driver's log", interval_s=0.1)


def covers(report: Report, ends: Ends) -> bool:
    """Returns whether all records up to ``ends`` are committed after a report's batch."""
    committed = report["committed"]
    return all(
        committed.get(topic, {}).get(str(number), 0) >= end
        for topic, offsets in ends.items()
        for number, end in offsets.items()
    )


def batch_milliseconds(reports: Iterable[Report], phase: str = "triggerExecution") -> list[float]:
    """Returns the duration of each batch with records, or of a phase, in ms."""
    return [float(report["durations_ms"][phase]) for report in reports if report["input_rows"]]


def batch_times(reports: Sequence[Report]) -> dict[str, float]:
    """Returns the medians of a batch and of its phases, in milliseconds.

    Raises:
        ValueError: no batch had records.
    """
    whole = median(batch_milliseconds(reports))
    phases = {title: median(batch_milliseconds(reports, phase)) for phase, title in _PHASES.items()}
    return {"a batch": whole, **phases, "of it offsets and checkpoint": whole - sum(phases.values())}
