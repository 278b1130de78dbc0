"""How many events wait in the state, and until when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tandem.engine.run.waiting_events import WaitingEvents, longest_wait_s

WAIT_S, LATENESS_S = 1800, 300
NOW_MS = 1_800_000_000_000


def made_of(*batches: tuple[int, int, int]) -> WaitingEvents:
    """Returns the events of these batches: their number, and their oldest and newest event time before now."""
    waiting = WaitingEvents(WAIT_S, LATENESS_S)
    for events, oldest_s, newest_s in batches:
        waiting.add(events, NOW_MS - oldest_s * 1000, NOW_MS - newest_s * 1000)
    return waiting


def test_nothing_waits_at_first() -> None:
    assert WaitingEvents(WAIT_S, LATENESS_S).number == 0


@pytest.mark.parametrize("events", [1, 7, 2_000_000])
def test_all_events_wait_until_the_watermark_has_passed_them_by_the_wait(events: int) -> None:
    waiting = made_of((events, 10, 0))
    for after_s in (-LATENESS_S, 0, WAIT_S - 1):
        waiting.advance(NOW_MS + after_s * 1000)
        assert waiting.number in (events, events + 1 if events == 1 else events)
    # Event times count in steps of a hundredth of wait and lateness.
    waiting.advance(NOW_MS + (WAIT_S + (WAIT_S + LATENESS_S) // 100) * 1000)
    assert waiting.number == 0


def test_a_backlog_leaves_the_state_at_the_rate_of_its_event_times() -> None:
    waiting = made_of((2_000_000, WAIT_S, 0))
    found = []
    for minutes in (0, 10, 20, 29):
        waiting.advance(NOW_MS + minutes * 60_000)
        found.append(waiting.number / 2_000_000)
    assert found == pytest.approx([1, 2 / 3, 1 / 3, 1 / 30], abs=0.03)


def test_one_event_of_long_ago_hides_no_new_ones() -> None:
    waiting = WaitingEvents(WAIT_S, LATENESS_S)
    waiting.add(1000, 0, NOW_MS)
    waiting.advance(NOW_MS - LATENESS_S * 1000)
    assert waiting.number == pytest.approx(1000, rel=0.02)
    waiting.advance(NOW_MS + WAIT_S * 1000)
    assert waiting.number > 0


def test_batches_add_up() -> None:
    assert made_of((10, 60, 30), (20, 30, 0), (5, 3600, 3599)).number == 35


def test_a_query_without_state_has_no_events_that_wait() -> None:
    waiting = made_of((10, 60, 30))
    waiting.clear()
    assert waiting.number == 0


def joined(*, match_window_seconds: int = 600) -> None: ...


def windowed(*, match_window_seconds: int, window_seconds: float) -> None: ...


def undeclared(*, segments: object, limit: int = 5, is_seconds: bool = True) -> None: ...


@pytest.mark.parametrize(
    ("transform", "parameters", "wait_s"),
    [
        (joined, {}, 600),
        (joined, {"match_window_seconds": 60}, 60),
        # A join may feed a window.
        (windowed, {"match_window_seconds": 60, "window_seconds": 0.5}, 60.5),
        (undeclared, {"limit": 7}, 86_400),
        (joined, {"match_window_seconds": 0}, 86_400),
    ],
)
def test_the_wait_is_the_sum_of_the_durations(
    transform: Callable[..., None], parameters: dict[str, object], wait_s: float
) -> None:
    assert longest_wait_s(transform, parameters) == wait_s
