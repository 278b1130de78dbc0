"""Which watermark the records imply, and which of them it may have made late."""

from __future__ import annotations

from tandem.verify.watermark import Arrival, Watermark, sweep

MINUTE = 60_000_000  # in microseconds


def swept(*arrivals: Arrival) -> Watermark:
    return sweep(arrivals, ("left", "right"), lateness_seconds=300)


def test_is_the_slower_streams_newest_time_less_the_lateness() -> None:
    found = swept(
        Arrival(1, "left", 60 * MINUTE, "a"),
        Arrival(2, "right", 20 * MINUTE, "b"),
        Arrival(3, "right", 10 * MINUTE, "c"),
    )
    assert found.ms == 15 * 60_000


def test_is_in_whole_milliseconds_rounded_down_before_1970_too() -> None:
    assert swept(Arrival(1, "left", 600_000_999, "a"), Arrival(1, "right", 600_001_999, "b")).ms == 300_000
    assert swept(Arrival(1, "left", -1, "a"), Arrival(1, "right", 0, "b")).ms == 0


def test_stays_at_zero_while_a_stream_has_no_event() -> None:
    found = swept(Arrival(1, "left", 60 * MINUTE, "a"), Arrival(2, "left", 1, "b"))
    assert found == Watermark(0, frozenset())


def test_begins_at_1970_so_that_what_is_older_is_late_at_once() -> None:
    """As in Spark, which has no watermark that says nothing: it drops and counts such a record in its first batch."""
    found = swept(Arrival(1, "left", -5, "before"), Arrival(2, "left", 0, "at"), Arrival(3, "left", 1, "after"))
    assert found == Watermark(0, frozenset({("left", "before"), ("left", "at")}))


def test_control_records_move_it_and_are_never_late() -> None:
    found = swept(
        Arrival(1, "left", 60 * MINUTE, "a"), Arrival(2, "right", 60 * MINUTE, None), Arrival(3, "right", MINUTE, None)
    )
    assert found == Watermark(55 * 60_000, frozenset())


def test_late_is_up_to_and_including_the_watermark() -> None:
    both = (Arrival(1, "left", 60 * MINUTE, "a"), Arrival(1, "right", 60 * MINUTE, "b"))
    found = swept(*both, Arrival(2, "left", 55 * MINUTE, "at"), Arrival(2, "left", 55 * MINUTE + 1, "after"))
    assert found.late == {("left", "at")}


def test_order_of_arrival_decides_and_equal_stamps_count_against_the_record() -> None:
    both = (Arrival(5000, "left", 60 * MINUTE, "a"), Arrival(5000, "right", 60 * MINUTE, "b"))
    found = swept(
        *both, Arrival(4, "left", 1, "before"), Arrival(5000, "left", 1, "same"), Arrival(6000, "left", 1, "behind")
    )
    assert found.late == {("left", "same"), ("left", "behind")}


def test_few_records_may_wait_for_a_second_while_the_job_reads_the_other_topic() -> None:
    """So others that were appended meanwhile may pass them, but not those that were appended later."""
    known = Arrival(0, "left", 60 * MINUTE, "a"), Arrival(0, "right", 50 * MINUTE, "b")
    for at in (1_500, 2_000):
        found = swept(*known, Arrival(1_000, "left", 50 * MINUTE, "waits"), Arrival(at, "right", 60 * MINUTE, "jump"))
        assert found.late == {("left", "waits")}
    for at in (2_001, 6_000):
        found = swept(*known, Arrival(1_000, "left", 50 * MINUTE, "waits"), Arrival(at, "right", 60 * MINUTE, "jump"))
        assert found.late == set()


def test_a_late_repeat_does_not_make_its_event_late() -> None:
    both = (Arrival(5000, "left", 60 * MINUTE, "a"), Arrival(5000, "right", 60 * MINUTE, "b"))
    assert swept(*both, Arrival(9000, "left", 1, "early"), Arrival(1, "left", 1, "early")).late == set()


def test_never_falls() -> None:
    both = (Arrival(1, "left", 60 * MINUTE, "a"), Arrival(1, "right", 60 * MINUTE, "b"))
    assert swept(*both, Arrival(2, "left", MINUTE, "c"), Arrival(2, "right", MINUTE, "d")).ms == 55 * 60_000


def test_a_record_without_an_arrival_time_may_be_late_and_may_make_others_late() -> None:
    found = swept(
        Arrival(1, "left", 10 * MINUTE, "early"),
        Arrival(2, "right", 60 * MINUTE, "b"),
        Arrival(None, "left", 60 * MINUTE, "c"),
        Arrival(None, "right", 20 * MINUTE, "d"),
    )
    assert found == Watermark(55 * 60_000, frozenset({("left", "early"), ("right", "d")}))
    found = swept(
        Arrival(None, "right", 60 * MINUTE, "b"),
        Arrival(None, "left", 60 * MINUTE, "c"),
        Arrival(1, "left", 10 * MINUTE, "early"),
    )
    assert found.late == {("left", "early")}
