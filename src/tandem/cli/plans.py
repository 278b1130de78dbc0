"""Decides what to generate: event times that the environment's watermark has not passed yet."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from kafka.errors import KafkaError

from tandem.catalog import declared_by
from tandem.errors import TandemError
from tandem.producer.connect import connect, disconnect
from tandem.producer.plan import DEFAULT_REAL_RATE, LATE_AFTER, SETTLED, Mix, Plan
from tandem.settings.model import Settings
from tandem.verify.coming import coming_watermark
from tandem.waiting import wait_for

# A generated set covers past event time, so that its windows can be closed when it is sent. Each set begins where the
# watermark stands; the first begins so long ago that there is room for many.
_FIRST = timedelta(days=365)
# Behind the watermark: the match window, by which a payment may be dated before its order, and the lateness.
_AHEAD = timedelta(minutes=40)
_UNASKED_RATE = 1000.0
# Kafka was there a moment before; what keeps it from answering now mends by itself or is told by then.
_PATIENCE_S = 120.0


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
    watermark: datetime | None,
) -> Plan:
    """Returns what to generate.

    Args:
        count: how many events of the first stream; 0 for endless, in real time only.
        seed: None for a new one.
        mix: as for ``Mix.parse``.
        event_time: None for compressed where that is possible. It is not where the watermark has passed the span.
        rate: such events a second in real time; None for a gentle rate, or a quick one if real time was not asked for.
        span: the event time that a compressed set covers.
        watermark: the job's, as ``known_watermark`` returns it.
    """
    now = datetime.now(UTC)
    start = now - _FIRST
    if watermark is not None:
        start = max(start, watermark + _AHEAD)
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


def known_watermark(settings: Settings, reported: str | None) -> datetime | None:
    """Returns how far the watermark is, or will be once the job has read what is in the topics; None for none.

    Args:
        settings: of which pipeline, and where Kafka is.
        reported: the job's newest, in ISO 8601. It knows of older records than the topics' last ones, but a batch
            moves it only when the next one begins.

    Raises:
        EnvironmentNotReadyError: Kafka or a topic is not there.
    """
    topics = [stream.topic for stream in declared_by(settings.location).streams]
    # It waits for Kafka, and says so, as producers do.
    if producer := connect(settings.kafka, topics):
        disconnect(producer)
    coming = wait_for(
        "the topics' last records",
        lambda: coming_watermark(settings),
        deadline_s=_PATIENCE_S,
        hint="`tandem status` shows what runs",
        retry_on=(TandemError, KafkaError),
    )
    known = None if reported is None else datetime.fromisoformat(reported)
    return max(filter(None, (coming, known)), default=None)


def closing_time(plan: Plan) -> datetime | None:
    """Returns the event time at which all windows of the plan's records can be closed; None for now."""
    return None if plan.rate else plan.start + plan.span + SETTLED - timedelta(seconds=1)
