"""Which control records quiet topics get, and when it is known that they are quiet."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tandem.engine import progress
from tandem.engine.checkpoint import Planned
from tandem.engine.config import JobConfig
from tandem.engine.pacemaker import CONTROL, EVENTS, NEWEST, Clock, Pacemaker, due
from tandem.engine.progress import ProgressReporter
from tandem.pipelines.orders_payments.pipeline import PIPELINE

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


STARTED = 2_000_000_000.0
CONFIG = JobConfig("orders_payments", "", "", "", "", 300, 300, idle_timeout_seconds=30)


def at(second: float) -> str:
    return datetime.fromtimestamp(STARTED + second, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Beat:
    """A pacemaker that is asked rather than running, at seconds after it was made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, waits: bool = False) -> None:
        self._patch = monkeypatch
        self._now(0)
        self.pacemaker = Pacemaker(cast(Any, SimpleNamespace(_jvm=None)), PIPELINE, CONFIG, waits=waits)

    def commits(self, second: float, *, begun: float, **events: int) -> None:
        """A batch that began at ``begun`` is committed, with so many events of the streams."""
        self._now(second)
        batch = SimpleNamespace(
            timestamp=at(begun),
            stateOperators=[SimpleNamespace(numRowsTotal=1)],
            observedMetrics={n: {EVENTS: e, CONTROL: 0, NEWEST: int(second * 1000)} for n, e in events.items()},
        )
        self.pacemaker.batch(cast(Any, batch))

    def finds_nothing(self, second: float) -> None:
        self._now(second)
        self.pacemaker.idle(cast(Any, SimpleNamespace(timestamp=at(second))))

    def due(self, second: float) -> set[str]:
        self._now(second)
        return set(self.pacemaker._due())

    def _now(self, second: float) -> None:
        self._patch.setattr(time, "time", lambda: STARTED + second)


def test_a_long_batch_makes_no_topic_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Beat(monkeypatch)
    beat.commits(5, begun=1, orders=1, payments=1)
    # What came after the next batch had begun is in the topics, and nobody has read it.
    assert [beat.due(second) for second in (10, 60, 100)] == [set(), set(), set()]
    beat.commits(101, begun=6, orders=1)
    # Nor is it read before the query looks again.
    assert beat.due(120) == set()
    beat.finds_nothing(121)
    assert beat.due(121) == {"payments"}


def test_a_topic_is_quiet_also_while_batches_of_another_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Beat(monkeypatch)
    beat.commits(2, begun=1, orders=1, payments=1)
    for second in range(4, 40, 2):
        beat.commits(second, begun=second - 1, orders=1)
        assert beat.due(second) == ({"payments"} if second >= 34 else set())


@pytest.mark.parametrize("waits", [True, False])
def test_what_waited_when_the_job_was_stopped_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    beat = Beat(monkeypatch, waits=waits)
    # A query without anything to read begins with no batch.
    for second in (1, 29, 31):
        beat.finds_nothing(second)
        assert beat.due(second) == ({"orders", "payments"} if waits and second > 30 else set())


@pytest.mark.parametrize(
    ("reported", "committed", "waits"),
    [
        ({"batch": 7, "state_rows": 3}, 7, True),
        ({"batch": 7, "state_rows": 0}, 7, False),
        # Nobody has told of the batch that was committed last.
        ({"batch": 7, "state_rows": 0, "unreported": 1}, 8, True),
        ({"batch": 7, "state_rows": 0, "unreported": 1}, 7, False),
        (None, 0, True),
        (None, None, False),
        # A new checkpoint.
        ({"batch": 7, "state_rows": 3}, None, False),
    ],
)
def test_what_waits_is_known_from_the_driver_before(
    monkeypatch: pytest.MonkeyPatch, reported: dict[str, Any] | None, committed: int | None, waits: bool
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(
        progress, "Collection", lambda *_: SimpleNamespace(newest=lambda _: reported, insert=told.append)
    )
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: committed)
    offsets = {"orders": {"0": 5}}
    monkeypatch.setattr(progress, "planned", lambda *_: Planned(offsets, 1000))
    reporter = ProgressReporter(cast(Any, None), CONFIG)
    assert reporter.may_wait == waits
    reporter.report("started")
    # Readers take it for what waits, too.
    assert told[0]["state_rows"] == (0 if committed is None else (reported or {}).get("state_rows", 0))
    # So is what was committed.
    untold = committed is not None and committed > (-1 if reported is None else reported["batch"])
    assert told[0]["committed"] == (offsets if untold else {})
    assert told[0]["watermark"] == ({"$date": "1970-01-01T00:00:01.000Z"} if untold else None)


def reported_at_the_start(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any] | None, committed: int | None
) -> dict[str, Any]:
    """Returns a driver's first report, by the last one of the driver before and the checkpoint."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(progress, "Collection", lambda *_: SimpleNamespace(newest=lambda _: before, insert=told.append))
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: committed)
    monkeypatch.setattr(progress, "planned", lambda *_: Planned({"orders": {"0": 5}}, 1000))
    ProgressReporter(cast(Any, None), CONFIG).report("started")
    return {name: told[0][name] for name in progress._CARRIED}


REPORTED = {
    "batch": 7,
    "input_rows_total": 100,
    "late_total": 40,
    "unreported": 1,
    "watermark": {"$date": "2026-11-22T00:00:00.000Z"},
    "committed": {"orders": {"0": 100}},
    "streams": {"orders": {"events": 90, "control": 3, "newest_ms": 1}},
    "state_rows": 3,
}


def test_a_new_checkpoint_starts_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    # What it will read again was not dropped by it, however much the checkpoint before had dropped.
    assert reported_at_the_start(monkeypatch, REPORTED, None) == reported_at_the_start(monkeypatch, None, None)


def test_the_same_checkpoint_continues_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reported_at_the_start(monkeypatch, REPORTED, 7) == REPORTED


def test_an_earlier_checkpoint_does_not_have_what_was_reported_of_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = reported_at_the_start(monkeypatch, REPORTED, 2)
    # Nothing has counted what its three batches dropped.
    assert (found["late_total"], found["input_rows_total"], found["unreported"]) == (0, 0, 3)
    assert found["committed"] == {"orders": {"0": 5}}
    assert found["watermark"] == {"$date": "1970-01-01T00:00:01.000Z"}


def test_that_mongodb_does_not_answer_is_said_while_the_job_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    said = threading.Event()

    def warning(text: str) -> None:
        texts.append(text)
        said.set()

    away = SimpleNamespace(newest=lambda _: None, insert=lambda _: said.wait(30))
    monkeypatch.setattr(progress, "Collection", lambda *_: away)
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: None)
    monkeypatch.setattr(progress, "_log", SimpleNamespace(warning=warning))
    monkeypatch.setattr(progress, "_SILENCE_S", 0.01)
    ProgressReporter(cast(Any, None), CONFIG).report("started")
    assert texts == ["MongoDB does not answer; the job waits for it"]
