"""How many events wait in the state, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tandem.engine.declare.job_config import JobConfig, KafkaConfig, MongoConfig
from tandem.engine.run.state_events import StateEvents
from tandem.pipelines.orders_payments.transform import PIPELINE

WAIT_S, LATENESS_S = 1800, 300
NOW_MS = 1_800_000_000_000


def made_of(*batches: tuple[int, int, int]) -> StateEvents:
    """Returns the events of these batches: their number, and their oldest and newest event time before now."""
    waiting = StateEvents(WAIT_S, WAIT_S, LATENESS_S)
    for events, oldest_s, newest_s in batches:
        waiting.add(events, NOW_MS - oldest_s * 1000, NOW_MS - newest_s * 1000)
    return waiting


def test_nothing_waits_at_first() -> None:
    waiting = StateEvents(WAIT_S, WAIT_S, LATENESS_S)
    assert (waiting.number, waiting.may_wait) == (0, False)


@pytest.mark.parametrize("events", [1, 7, 2_000_000])
def test_all_events_wait_until_the_watermark_has_passed_them_by_the_wait(events: int) -> None:
    waiting = made_of((events, 10, 0))
    for after_s in (-LATENESS_S, 0, WAIT_S - 20):
        waiting.advance(NOW_MS + after_s * 1000)
        assert (waiting.number, waiting.may_wait) == (events, True)
    waiting.advance(NOW_MS + WAIT_S * 1000)
    assert not waiting.may_wait
    # The count has steps of a hundredth of wait and lateness.
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
    waiting = StateEvents(WAIT_S, WAIT_S, LATENESS_S)
    waiting.add(1000, 0, NOW_MS)
    waiting.advance(NOW_MS - LATENESS_S * 1000)
    assert waiting.number == pytest.approx(1000, rel=0.02)
    waiting.advance(NOW_MS + WAIT_S * 1000)
    assert waiting.number > 0


def test_batches_add_up() -> None:
    assert made_of((10, 60, 30), (20, 30, 0), (5, 3600, 3599)).number == 35


def test_an_older_event_does_not_replace_the_newest_of_1970() -> None:
    waiting = StateEvents(WAIT_S, WAIT_S, LATENESS_S)
    waiting.add(1, 0, 0)
    waiting.add(1, -60_000, -60_000)
    waiting.advance(WAIT_S * 1000 - 1)
    assert waiting.may_wait


def test_a_query_without_state_has_no_events_that_wait() -> None:
    waiting = made_of((10, 60, 30))
    waiting.clear()
    assert (waiting.number, waiting.may_wait) == (0, False)


def joined(*, match_window_seconds: int = 600) -> None: ...


def windowed(*, match_window_seconds: int, window_seconds: float) -> None: ...


def undeclared(*, segments: object, limit: int = 5, is_seconds: bool = True) -> None: ...


DAY_S = 86_400


@pytest.mark.parametrize(
    ("transform", "parameters", "is_join", "usual_s", "longest_s"),
    [
        (joined, {}, True, 600, 600),
        (joined, {"match_window_seconds": 60}, True, 60, 60),
        # A join may feed a window.
        (windowed, {"match_window_seconds": 60, "window_seconds": 0.5}, True, 60.5, 60.5),
        (windowed, {"match_window_seconds": 60, "window_seconds": -30}, True, 60, 60),
        (undeclared, {"limit": 7}, True, DAY_S, DAY_S),
        (joined, {"match_window_seconds": 0}, True, DAY_S, DAY_S),
        # The code may have a longer window.
        (joined, {}, False, 600, DAY_S),
        (joined, {"match_window_seconds": 2 * DAY_S}, False, 2 * DAY_S, 2 * DAY_S),
    ],
)
def test_the_wait_is_the_sum_of_the_durations(
    transform: Callable[..., Any], parameters: dict[str, Any], *, is_join: bool, usual_s: float, longest_s: float
) -> None:
    pipeline = replace(PIPELINE, transform=transform, keeps_aside=is_join)
    config = JobConfig("p", KafkaConfig(""), MongoConfig("", ""), "", LATENESS_S, 300, 30, 1800, parameters=parameters)
    waiting = StateEvents.of(pipeline, config)
    waiting.add(1, 0, 0)
    steps = []
    for wait_s in (usual_s, longest_s):
        for each_s in (wait_s - 1, wait_s * 1.02 + LATENESS_S):
            waiting.advance(round(each_s * 1000))
            steps.append((waiting.number > 0, waiting.may_wait))
    assert steps == [(True, True), (False, usual_s < longest_s), (False, True), (False, False)]
