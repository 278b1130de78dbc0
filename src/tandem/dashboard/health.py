"""Describes the problems of a pipeline for the page."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tandem.dashboard.declaration import ShownPipeline
from tandem.dashboard.mongo import milliseconds
from tandem.dashboard.state import PipelineState, lag
from tandem.engine.run.attention import warnings

STILL_S = 8.0
# After this long without records, a watermark that does not advance is no problem.
_RECORDS_S = 30.0
# The job reports at least every three seconds.
SILENT_S = 8.0


@dataclass(frozen=True)
class Alert:
    """A problem to show.

    Attributes:
        code: its name for programs.
        level: ``error``, or ``warning`` if it may resolve by itself.
        text: the problem and its consequence.
    """

    code: str
    level: str
    text: str


def job_state(state: PipelineState, now: float) -> str:
    """Returns ``unknown``, ``never``, ``running``, ``silent``, ``stopped`` or ``failed``.

    Args:
        state: the pipeline's state; the caller holds its lock.
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


def problems(state: PipelineState, declaration: ShownPipeline, now: float) -> list[dict[str, Any]]:
    """Returns all problems, the worst first.

    Args:
        state: the pipeline's state; the caller holds its lock.
        declaration: the pipeline's streams.
        now: ``time.monotonic()``.
    """
    alerts: list[Alert] = []
    if state.mongo.up is False:
        since = f"MongoDB has not answered since {_clock(state.mongo.since)} UTC."
        alerts.append(Alert("mongo", "error", f"{since} All numbers are from before; the job waits for MongoDB, too."))
    if state.kafka.up is False:
        since = f"Kafka has not answered since {_clock(state.kafka.since)} UTC."
        alerts.append(Alert("kafka", "error", f"{since} No records can be read; records a second and lag are unknown."))
    alerts += _job(state, declaration, now)
    if state.mongo.up:
        texts = warnings(state.progress or {}, time.time())
        alerts += [Alert(code, "warning", f"{text[0].upper()}{text[1:]}.") for code, text in texts.items()]
    return [asdict(problem) for problem in alerts]


def _job(state: PipelineState, declaration: ShownPipeline, now: float) -> list[Alert]:
    behind = [lag(state, stream.topic) for stream in declaration.streams]
    waiting = sum(number for number in behind if number)
    waits = f" {waiting:,} records wait for it." if waiting else ""
    report = state.progress or {}
    at = _clock((milliseconds(report.get("at")) or 0) / 1000)
    match job_state(state, now):
        case "never":
            return [Alert("job", "warning", f"The job has not started yet.{waits}")]
        case "stopped":
            return [Alert("job", "error", f"The job was stopped at {at} UTC.{waits}")]
        case "failed":
            reason = str(report.get("error") or "it gave no reason")[:300]
            return [Alert("job", "error", f"The job failed at {at} UTC: {reason}.{waits}")]
        case "silent":
            silent = f"The job has not reported for {_span(now - state.heard_at)} (since {at} UTC)"
            return [Alert("job", "error", f"{silent}: it is not running, or it cannot write to MongoDB.{waits}")]
        case "running" if _stands_still(state, now):
            return [_still(state, declaration, now)]
    return []


def _stands_still(state: PipelineState, now: float) -> bool:
    waiting = (state.progress or {}).get("state_events")
    come = state.records_at is not None and now - state.records_at < _RECORDS_S
    return bool(waiting) and come and state.still_since is not None and now - state.still_since > STILL_S


def _still(state: PipelineState, declaration: ShownPipeline, now: float) -> Alert:
    report = state.progress or {}
    watermark = milliseconds(report.get("watermark"))
    where = f"at {_moment(watermark)} UTC" if watermark else "before the first event"
    streams = report.get("streams") or {}
    newest = {stream.topic: (streams.get(stream.name) or {}).get("newest_ms") or -1 for stream in declaration.streams}
    slow = min(newest, key=lambda topic: newest[topic])
    text = (
        f"The watermark has not advanced for {_span(now - (state.still_since or now))}, {where}, while records arrive: "
        f"{slow} has no newer events. Unmatched events wait, and state grows, until it advances."
    )
    return Alert("watermark", "warning", text)


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
