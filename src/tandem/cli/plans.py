"""Decides what to generate: event times that the environment's watermark has not passed yet."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from tandem.producer.plan import DEFAULT_REAL_RATE, LATE_AFTER, SETTLED, Mix, Plan

# A generated set covers past event time, so that its windows can be closed when it is sent. Each set begins where the
# watermark stands; the first begins so long ago that there is room for many.
_FIRST = timedelta(days=365)
# Behind the watermark: the match window, by which a payment may be dated before its order, and the lateness.
_AHEAD = timedelta(minutes=40)
_UNASKED_RATE = 1000.0
# Spark's, before there is one.
_NO_WATERMARK = "1970-01-01T00:00:00Z"
_PATIENCE_S = 15.0


class EventTime(StrEnum):
    """Where event times come from."""

    COMPRESSED = "compressed"
    REAL = "real"


def make_plan(
    *,
    count: int,
    seed: int | None,
    mix: str,
    event_time: EventTime | None,
    rate: float | None,
    span: timedelta,
    watermark: str | None,
) -> Plan:
    """Returns what to generate.

    Args:
        count: how many events of the first stream; 0 for endless, in real time only.
        seed: None for a new one.
        mix: as for ``Mix.parse``.
        event_time: None for compressed where that is possible. It is not where the watermark has passed the span.
        rate: such events a second in real time; None for a gentle rate, or a quick one if real time was not asked for.
        span: the event time that a compressed set covers.
        watermark: the job's, in ISO 8601; None for none.
    """
    now = datetime.now(UTC)
    start = now - _FIRST
    if watermark is not None:
        start = max(start, datetime.fromisoformat(watermark) + _AHEAD)
    fits = start + span + SETTLED <= now
    real = event_time is EventTime.REAL or (event_time is None and not fits)
    return Plan(
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        count=count or None,
        start=now if real else min(start, now - SETTLED - span),
        # Where late records cannot be, or would keep a run from ending, none are sent unasked.
        mix=Mix.parse(mix, Mix(late=0) if real or span <= LATE_AFTER else Mix()),
        span=span,
        rate=(rate or (DEFAULT_REAL_RATE if event_time is EventTime.REAL else _UNASKED_RATE)) if real else None,
    )


def known_watermark(status: Callable[[], Mapping[str, Any]]) -> str | None:
    """Returns the job's watermark, in ISO 8601; None when there is none.

    A job that has just read its first records says which only with its next batch. To take that for none would make all
    that is generated late.
    """

    def unknown(found: Mapping[str, Any]) -> bool:
        job = found["job"]
        seen = (job["input_rows_total"] or 0) + (job["lag"] or 0)
        return bool(found["ready"]) and seen > 0 and (job["watermark"] or _NO_WATERMARK) <= _NO_WATERMARK

    retrying = Retrying(
        retry=retry_if_result(unknown),
        stop=stop_after_delay(_PATIENCE_S),
        wait=wait_fixed(0.3),
        # Where one topic has no records, it has none for long; then nothing can be late either.
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else {"job": {"watermark": None}},
    )
    watermark: str | None = retrying(status)["job"]["watermark"]
    return watermark


def closing_time(plan: Plan) -> datetime | None:
    """Returns the event time at which all windows of the plan's records can be closed; None for now."""
    return None if plan.rate else plan.start + plan.span + SETTLED - timedelta(seconds=1)
