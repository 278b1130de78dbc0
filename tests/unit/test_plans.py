"""Generated event times begin where the watermark stands, and end where windows can close."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tandem.cli.plans import EventTime, closing_time, known_watermark, make_plan
from tandem.producer.plan import DEFAULT_SPAN, Plan


def plan(watermark: datetime | None = None, event_time: EventTime | None = None) -> Plan:
    text = None if watermark is None else watermark.isoformat().replace("+00:00", "Z")
    return make_plan(count=10, seed=1, mix="", event_time=event_time, rate=None, span=DEFAULT_SPAN, watermark=text)


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


def test_a_watermark_that_the_job_is_about_to_say_is_awaited() -> None:
    def status(watermark: str | None, *, consumed: int, ready: bool = True) -> dict[str, Any]:
        return {"ready": ready, "job": {"input_rows_total": consumed, "lag": 0, "watermark": watermark}}

    epoch, real = "1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
    answers = iter([status(None, consumed=5), status(epoch, consumed=5), status(real, consumed=9)])
    assert known_watermark(lambda: next(answers)) == real
    assert known_watermark(lambda: status(None, consumed=0)) is None
    assert known_watermark(lambda: status(None, consumed=5, ready=False)) is None
