"""Plans records ahead of the watermark, and advances the watermark past them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from kafka.errors import KafkaError

from tandem.catalog import declared_by
from tandem.errors import TandemError
from tandem.producer.connect import connect, disconnect
from tandem.producer.control import close_windows
from tandem.producer.record_plan import DEFAULT_REAL_RATE, DEFAULT_SPAN, LATE_AFTER, SETTLED, Mix, Plan
from tandem.progress_display import wait_shown
from tandem.settings.model import Settings
from tandem.verify.intake import expected_watermark

# A generated set covers past event time, so that its windows can close when it is sent. The first set begins a year
# ago, and each later set begins at the watermark.
_FIRST = timedelta(days=365)
# Added to the watermark: the match window (a payment may precede its order) and the lateness.
_AHEAD = timedelta(minutes=40)
_FALLBACK_RATE = 1000.0
# Kafka answered a moment before, so a failure is either short or reported by then.
_PATIENCE_S = 120.0


class EventTime(StrEnum):
    """The source of event times."""

    COMPRESSED = "compressed"
    REAL = "real"


def make_plan(
    *,
    count: int,
    seed: int | None,
    mix: str,
    watermark: datetime | None,
    event_time: EventTime | None = None,
    rate: float | None = None,
    span: timedelta = DEFAULT_SPAN,
) -> Plan:
    """Returns the plan of the records to generate.

    Args:
        count: events of the first stream; 0 for endless, in real time only.
        seed: None for a new one.
        mix: as for ``Mix.parse``.
        watermark: the job's, as ``known_watermark`` returns it.
        event_time: None for compressed, or for real time if the watermark leaves no room for the span.
        rate: events of the first stream a second in real time; None for a low rate, or a high one if real time was
            not requested.
        span: the event time that a compressed set covers.
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
        # Late records are left out by default where they are impossible or would delay the end of a run.
        mix=Mix.parse(mix, Mix(late=0) if real or span <= LATE_AFTER else Mix()),
        span=span,
        rate=(rate or (DEFAULT_REAL_RATE if event_time is EventTime.REAL else _FALLBACK_RATE)) if real else None,
    )


def known_watermark(settings: Settings, reported: str | None) -> datetime | None:
    """Returns the watermark once the job has read all records; None if there is none.

    Args:
        settings: the pipeline's settings.
        reported: the job's newest watermark, in ISO 8601. It covers older records than the topics' last ones, but a
            batch advances it only when the next one begins.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer or a topic is missing.
    """
    topics = [stream.topic for stream in declared_by(settings.location).streams]
    # This waits for Kafka and reports the wait, as producers do.
    if producer := connect(settings.kafka, topics):
        disconnect(producer)
    expected = wait_shown(
        "the topics' last records",
        lambda: expected_watermark(settings),
        deadline_s=_PATIENCE_S,
        hint="`tandem status` shows what runs",
        retry_on=(TandemError, KafkaError),
    )
    known = None if reported is None else datetime.fromisoformat(reported)
    return max(filter(None, (expected, known)), default=None)


def close_streams(settings: Settings, plan: Plan) -> None:
    """Advances the watermark past a plan's events.

    So unmatched events are written.
    """
    streams = declared_by(settings.location).streams
    producer = connect(settings.kafka, [stream.topic for stream in streams])
    if producer is not None:
        try:
            close_windows(producer, streams, settings.sender, closing_time(plan))
        finally:
            disconnect(producer)


def closing_time(plan: Plan) -> datetime | None:
    """Returns the event time at which all windows of the plan can close; None for now."""
    return None if plan.rate else plan.start + plan.span + SETTLED - timedelta(seconds=1)
