"""Which batches the driver writes by itself."""

from __future__ import annotations

import pytest

from tandem.engine.spark.checkpoint import Planned
from tandem.engine.write.small_batches import is_small


def batch(orders: int, payments: int, watermark_s: int = 100) -> Planned:
    return Planned({"orders": {"0": orders, "1": 7}, "payments": {"0": payments}}, watermark_s * 1000, 0, {})


BEFORE = batch(100, 200)


@pytest.mark.parametrize(
    ("now", "small"),
    [
        (batch(100, 200), True),
        (batch(5_100, 5_200), True),
        (batch(5_100, 5_201), False),
        # As the watermark moves, rows come out of the state that no offset tells of.
        (batch(101, 200, watermark_s=110), True),
        (batch(101, 200, watermark_s=111), False),
    ],
)
def test_a_batch_is_small_when_few_records_came_and_few_windows_close(now: Planned, small: bool) -> None:
    assert is_small(BEFORE, now, 0, aggregates=False) == small


def test_a_longer_trigger_moves_the_watermark_further() -> None:
    later = batch(101, 200, watermark_s=120)
    assert is_small(BEFORE, later, 10, aggregates=False)
    assert not is_small(BEFORE, later, 9, aggregates=False)


def test_a_watermark_that_moves_may_close_a_window_of_many_groups() -> None:
    assert is_small(BEFORE, batch(101, 200), 10, aggregates=True)
    assert not is_small(BEFORE, batch(101, 200, watermark_s=101), 10, aggregates=True)


def test_what_was_not_there_before_counts_from_its_beginning() -> None:
    before = Planned({"orders": {"0": 100}}, 100_000, 0, {})
    assert is_small(before, batch(100, 5_000), 0, aggregates=False)
    assert not is_small(before, batch(100, 50_000), 0, aggregates=False)
