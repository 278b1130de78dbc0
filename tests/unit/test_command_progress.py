"""What commands show while they wait: the job's backlog, a replay's steps, and how long something takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from tandem import polling, progress_display
from tandem.cli import backlog_progress, replay_progress
from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.progress_display import ProgressDisplay, wait_shown
from tandem.replay.sets import Step
from tandem.settings.load import load
from tandem.waiting import NotYetError
from tests.unit.test_replay import Found, Rows

Shown = list[tuple[str, int, int | None, str]]


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> ProgressDisplay:
    monkeypatch.setattr(polling, "_POLL_S", 0.001)
    return ProgressDisplay(lambda: 0.0)


@pytest.fixture
def shown(display: ProgressDisplay, monkeypatch: pytest.MonkeyPatch) -> Shown:
    calls: Shown = []
    monkeypatch.setattr(display, "show", lambda what, done, total, unit: calls.append((what, done, total, unit)))
    return calls


class Answers:
    """Gives one answer after the other, then the last one again."""

    def __init__(self, *answers: Any) -> None:
        self._answers, self.asked, self.given = list(answers), list[Any](), threading.Event()

    def __call__(self, *arguments: Any) -> Any:
        self.asked.append(arguments)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if len(self._answers) == 1 and answer is self._answers[0]:
            self.given.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_the_backlog_is_shown_until_it_is_empty(
    display: ProgressDisplay, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    lags = Answers(None, 30, TandemError("Kafka does not answer", hint=""), 20, 50, 10, 0)
    reports = Answers(None, {"committed": {"t": {"0": 5}}})
    monkeypatch.setattr(backlog_progress, "lag_of", lags)
    monkeypatch.setattr(backlog_progress, "progress_of", lambda _: nullcontext(SimpleNamespace(newest=reports)))
    with backlog_progress.progress_of_backlog(load("embedded"), display):
        assert lags.given.wait(10)
    # More records than before mean that producers still send.
    assert [numbers for _, *numbers, _ in shown] == [[0, 30], [10, 30], [0, 50], [40, 50], [50, 50]]
    assert {(what, unit) for what, *_, unit in shown} == {("the job catches up", "records")}
    assert [newest["committed"] for _, newest in lags.asked[:2]] == [{}, {"t": {"0": 5}}]
    assert len(lags.asked) == 7


def test_a_job_without_backlog_shows_nothing(
    display: ProgressDisplay, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    lags = Answers(0)
    monkeypatch.setattr(backlog_progress, "lag_of", lags)
    monkeypatch.setattr(backlog_progress, "progress_of", lambda _: nullcontext(SimpleNamespace(newest=lambda: None)))
    with backlog_progress.progress_of_backlog(load("embedded"), display):
        assert lags.given.wait(10)
    assert shown == []


def test_a_replays_steps_are_shown_but_not_those_of_a_killed_one(
    display: ProgressDisplay, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Answers(
        *(Step("writing facts", 8, 20), Step("writing facts", 8, 20), None),
        *(Step("reading", 0, 0), Step("reading", 5, 20), Step("writing facts", 1, 40), None),
    )

    @contextmanager
    def database_of(*_: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(replay_progress, "database_of", database_of)
    monkeypatch.setattr(replay_progress, "replayed", lambda *_: SimpleNamespace(progress=steps()))
    with replay_progress.progress_of_replay(load("embedded"), "v2", display):
        assert steps.given.wait(10)
    assert shown == [
        ("reading", 0, None, "tasks"),
        ("reading", 5, 20, "tasks"),
        ("reading", 20, 20, "tasks"),
        ("writing facts", 1, 40, "tasks"),
    ]


def test_the_stored_step_of_a_replay_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {"_id": "p/v2", "pipeline": "p", "into": "v2", "range": ReplayRange({}, since_ms=0, into="v2").to_json()}
    step = {"step": "reading the range", "done": 3, "total": 20}
    rows = Rows([{**stored, "watermark_ms": 0, "state": "running", "progress": step}])
    found = replay_progress.replayed(Found({"tandem_replays": rows}), "p", "v2")  # type: ignore[arg-type]
    assert found is not None
    assert found.progress == Step("reading the range", 3, 20)


def test_a_wait_shows_its_name_and_time(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    attempts = iter((NotYetError("starting"), NotYetError("starting"), None))

    def probe() -> str:
        if problem := next(attempts):
            raise problem
        return "answer"

    monkeypatch.setattr(progress_display, "QUIET_S", 0)
    assert wait_shown("a service", probe, deadline_s=10, hint="", interval_s=0) == "answer"
    assert capsys.readouterr().err == "waiting for a service: 0 s\nwaiting for a service: 0 s\n"


def test_a_failed_wait_keeps_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    def probe() -> None:
        raise EnvironmentNotReadyError("kafka stopped", hint="look")

    with pytest.raises(EnvironmentNotReadyError, match="kafka stopped"):
        wait_shown("a service", probe, deadline_s=10, hint="", interval_s=0)
    assert capsys.readouterr().err == ""
