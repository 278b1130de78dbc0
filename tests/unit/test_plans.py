"""Generated event times begin where the watermark stands, and end where windows can close."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tandem.cli.plans import EventTime, closing_time, make_plan
from tandem.producer.record_plan import DEFAULT_SPAN, Plan


def plan(watermark: datetime | None = None, event_time: EventTime | None = None) -> Plan:
    return make_plan(count=10, seed=1, mix="", event_time=event_time, rate=None, span=DEFAULT_SPAN, watermark=watermark)


def test_the_next_set_begins_behind_what_the_first_one_closed() -> None:
    first = plan()
    closed = closing_time(first)
    assert closed is not None
    second = plan(watermark=closed - timedelta(minutes=5))
    # A payment may be dated half an hour before its order: it too must not be late.
    assert second.start - timedelta(minutes=30) > closed - timedelta(minutes=5)
    assert second.rate is None


def test_closing_never_lies_ahead_of_now() -> None:
    closed = closing_time(plan(watermark=datetime.now(UTC) - DEFAULT_SPAN - timedelta(minutes=86)))
    assert closed is not None
    assert closed <= datetime.now(UTC)


def test_a_recent_watermark_means_real_time() -> None:
    recent = plan(watermark=datetime.now(UTC) - timedelta(hours=1))
    assert recent.rate is not None
    assert closing_time(recent) is None


def test_what_was_asked_for_is_done() -> None:
    assert plan(watermark=datetime.now(UTC), event_time=EventTime.COMPRESSED).rate is None
    assert plan(event_time=EventTime.REAL).rate == 20
