"""A replay is refused while another one of the pipeline runs, and not after a killed one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tandem.cli.main import interrupt_by_signals
from tandem.engine.declare.stream import REPLAY_COLLECTION
from tandem.errors import TandemError
from tandem.replay import running_replay
from tandem.replay.running_replay import check_none_runs
from tandem.replay.sets import announce, replayed
from tests.unit.test_replay import Found, Rows, partition, record, span_of

OLD = datetime(2026, 11, 29, tzinfo=UTC)


class Renewed(Rows):
    """Records that change between two looks."""

    def __init__(self, rows: list[dict[str, Any]], change: Callable[[], dict[str, Any]]) -> None:
        super().__init__(rows)
        self._change = change

    def find_one(self, query: dict[str, Any], _fields: object = None) -> dict[str, Any] | None:
        found = super().find_one(query)
        if found:
            found |= self._change()
        return found and dict(found)

    def find(self, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        return iter([dict(each) for each in super().find(query)])


def database(at: datetime, change: Callable[[], dict[str, Any]] = dict, state: str = "running") -> Any:
    rows = [{**record(state), "at": at}, {**record(state, pipeline="shop"), "at": at}]
    return Found({REPLAY_COLLECTION: Renewed(rows, change)})


def test_a_replay_that_runs_is_refused() -> None:
    with pytest.raises(TandemError, match=r"orders_payments is running into .* the suffix v2") as raised:
        check_none_runs(database(OLD, lambda: {"at": datetime.now(UTC)}), "orders_payments")
    assert "`tandem verify --into v2`" in raised.value.hint


def test_a_replay_that_ends_meanwhile_is_not_refused() -> None:
    check_none_runs(database(datetime.now(UTC), lambda: {"state": "done"}), "orders_payments")


def test_a_killed_replay_is_not_refused() -> None:
    check_none_runs(database(OLD), "orders_payments")


def test_a_replay_that_was_killed_just_now_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_replay, "_RENEWED_S", 0.3)
    check_none_runs(database(datetime.now(UTC)), "orders_payments")


@pytest.mark.parametrize("hours", [-2, 0, 2])
def test_a_replay_on_a_machine_with_another_clock_is_refused(hours: int) -> None:
    """Its record changes only after some looks."""
    shown, looks = datetime.now(UTC) + timedelta(hours=hours), iter(range(9))
    with pytest.raises(TandemError, match="orders_payments is running"):
        check_none_runs(database(shown, lambda: {"at": shown + timedelta(seconds=next(looks) // 2)}), "orders_payments")


@pytest.mark.parametrize(("state", "pipeline"), [("done", "orders_payments"), ("running", "another")])
def test_other_records_do_not_matter(state: str, pipeline: str) -> None:
    check_none_runs(database(OLD, lambda: {"at": datetime.now(UTC)}, state), pipeline)


def test_a_set_is_known_before_its_replay_starts() -> None:
    stored: Any = Found({REPLAY_COLLECTION: Rows([])})
    span = span_of(partition(), into="v2")
    announce(stored, "orders_payments", span)
    found = replayed(stored, "orders_payments", "v2")
    assert found is not None
    assert (found.state, found.span) == ("running", span)


def test_the_record_of_an_earlier_replay_stays() -> None:
    earlier = record("done")
    stored: Any = Found({REPLAY_COLLECTION: Rows([earlier])})
    announce(stored, "orders_payments", span_of(partition(), into="v2"))
    assert stored[REPLAY_COLLECTION] == [earlier]


@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_ends_a_command_with_its_child_processes(ignored: bool) -> None:
    """Unless `nohup` ignores the signal."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        interrupt_by_signals()
        if ignored:
            signal.raise_signal(signal.SIGHUP)
        else:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGHUP)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
