"""Which control records quiet topics get."""

from __future__ import annotations

from tandem.engine.pacemaker import Clock, due

NOW = 1_000_000.0


def test_nothing_while_all_are_active() -> None:
    assert due({"a": Clock(NOW - 1, 5.0), "b": Clock(NOW - 2, 6.0)}, NOW, 30) == {}


def test_a_quiet_stream_follows_the_active_ones_event_time() -> None:
    clocks = {"a": Clock(NOW - 1, newest=5000.0), "b": Clock(NOW - 31, newest=100.0)}
    assert due(clocks, NOW, 30) == {"b": 5000.0}


def test_a_stream_that_was_never_used_follows_too() -> None:
    assert due({"a": Clock(NOW, newest=5000.0), "b": Clock(NOW - 30)}, NOW, 30) == {"b": 5000.0}


def test_the_slowest_active_stream_is_followed() -> None:
    clocks = {"a": Clock(NOW, newest=5000.0), "b": Clock(NOW, newest=70.0), "c": Clock(NOW - 30)}
    assert due(clocks, NOW, 30) == {"c": 70.0}


def test_when_all_are_quiet_it_is_now() -> None:
    assert due({"a": Clock(NOW - 30, 5.0), "b": Clock(NOW - 99)}, NOW, 30) == {"a": NOW, "b": NOW}


def test_an_active_stream_of_unknown_time_is_waited_for() -> None:
    assert due({"a": Clock(NOW), "b": Clock(NOW - 30)}, NOW, 30) == {}


def test_time_never_goes_back_and_never_ahead_of_now() -> None:
    clocks = {"a": Clock(NOW, newest=NOW + 200), "b": Clock(NOW - 30, newest=NOW + 100), "c": Clock(NOW - 30, 1.0, NOW)}
    assert due(clocks, NOW, 30) == {}
