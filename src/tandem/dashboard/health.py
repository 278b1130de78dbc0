"""What is wrong, in words that a person understands."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tandem.dashboard.connect import milliseconds
from tandem.dashboard.declaration import Declaration
from tandem.dashboard.state import State, lag
from tandem.engine.run.attention import warnings

STILL_S = 8.0
# Without records for so long, the watermark has nothing to follow: that it stands still is no trouble.
_RECORDS_S = 30.0
# The job says every three seconds that it lives.
SILENT_S = 8.0


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: what it is, for programs.
        level: ``error``, or ``warning`` where it may mend by itself.
        text: what it is and what follows from it.
    """

    code: str
    level: str
    text: str


def job_state(state: State, now: float) -> str:
    """Returns ``unknown``, ``never``, ``running``, ``silent``, ``stopped`` or ``failed``.

    Args:
        state: what is known; its lock is held.
        now: ``time.monotonic()``.
    """
    if not state.mongo.up:
        return "unknown"
    if state.progress is None:
        return "never"
    event = str(state.progress["event"])
    if event in ("stopped", "failed"):
        return event
    return "silent" if now - state.heard_at > SILENT_S else "running"


def problems(state: State, declaration: Declaration, now: float) -> list[dict[str, Any]]:
    """Returns all that is wrong, the worst first.

    Args:
        state: what is known; its lock is held.
        declaration: which pipeline.
        now: ``time.monotonic()``.
    """
    found: list[Problem] = []
    if state.mongo.up is False:
        since = f"MongoDB has not answered since {_clock(state.mongo.since)} UTC."
        found.append(Problem("mongo", "error", f"{since} All numbers here are from before; the job waits for it, too."))
    if state.kafka.up is False:
        since = f"Kafka has not answered since {_clock(state.kafka.since)} UTC."
        found.append(
            Problem("kafka", "error", f"{since} Nothing new can be read; records a second and lag are not known.")
        )
    found += _job(state, declaration, now)
    if state.mongo.up:
        said = warnings(state.progress or {}, time.time())
        found += [Problem(code, "warning", f"{text[0].upper()}{text[1:]}.") for code, text in said.items()]
    return [asdict(problem) for problem in found]


def _job(state: State, declaration: Declaration, now: float) -> list[Problem]:
    behind = [lag(state, stream.topic) for stream in declaration.streams]
    waiting = sum(number for number in behind if number)
    waits = f" {waiting:,} records wait for it." if waiting else ""
    report = state.progress or {}
    at = _clock((milliseconds(report.get("at")) or 0) / 1000)
    match job_state(state, now):
        case "never":
            return [Problem("job", "warning", f"The job has not started yet.{waits}")]
        case "stopped":
            return [Problem("job", "error", f"The job was stopped at {at} UTC.{waits}")]
        case "failed":
            reason = str(report.get("error") or "it did not say why")[:300]
            return [Problem("job", "error", f"The job failed at {at} UTC: {reason}.{waits}")]
        case "silent":
            silent = f"The job has not reported for {_span(now - state.heard_at)} (since {at} UTC)"
            return [Problem("job", "error", f"{silent}: it does not run, or cannot write to MongoDB.{waits}")]
        case "running" if _stands_still(state, now):
            return [_still(state, declaration, now)]
    return []


def _stands_still(state: State, now: float) -> bool:
    rows = (state.progress or {}).get("state_rows")
    come = state.records_at is not None and now - state.records_at < _RECORDS_S
    return bool(rows) and come and state.still_since is not None and now - state.still_since > STILL_S


def _still(state: State, declaration: Declaration, now: float) -> Problem:
    report = state.progress or {}
    watermark = milliseconds(report.get("watermark"))
    where = f"at {_moment(watermark)} UTC" if watermark else "before the first event"
    streams = report.get("streams") or {}
    newest = {stream.topic: (streams.get(stream.name) or {}).get("newest_ms") or -1 for stream in declaration.streams}
    slow = min(newest, key=lambda topic: newest[topic])
    text = (
        f"The watermark has stood still for {_span(now - (state.still_since or now))}, {where}, while records come: "
        f"{slow} has brought nothing newer. What has no partner waits, and state grows, until it moves."
    )
    return Problem("watermark", "warning", text)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def _moment(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
