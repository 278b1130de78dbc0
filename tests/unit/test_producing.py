"""What is around the sending of records: nothing is left behind when it fails, and nothing is asked for in vain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tandem.cli import plans, records
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.producer import api, lookup
from tandem.producer.counted_events import CountedEvents
from tandem.producer.record_plan import Plan
from tandem.settings.load import load

PLAN = Plan(seed=1, count=10, start=datetime(2026, 11, 22, tzinfo=UTC))


def test_a_producer_that_cannot_be_started_leaves_no_other_one_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
        if started:
            raise OSError("no more processes")
        started.append(popen(["sleep", "600"], **options))
        return started[0]

    monkeypatch.setattr(api.subprocess, "Popen", start)
    with pytest.raises(OSError, match="no more processes"):
        api.produce(["first", "second"], PLAN, profile="embedded", variables=os.environ)
    with started[0] as child:
        try:
            assert child.wait(10) != 0
        finally:
            child.kill()


SENDS = """
import json, sys
stream, asked = sys.argv[1], "--progress" in sys.argv
print("a line of the pipeline's generator", flush=True)
for made in (3, 10) if asked else ():
    print(json.dumps({"events_made": made}), flush=True)
print(json.dumps({"stream": stream, "seconds": 1.5, "classes": {"valid": {"acked": 10}}}), flush=True)
"""


@pytest.mark.parametrize("asked", [True, False])
def test_the_slowest_producer_is_the_progress(monkeypatch: pytest.MonkeyPatch, asked: bool) -> None:
    popen, made = subprocess.Popen, list[int]()

    def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
        (_, _, _, _, *arguments) = command
        return popen([sys.executable, "-c", SENDS, *arguments], **options)

    monkeypatch.setattr(api.subprocess, "Popen", start)
    sent = api.produce(
        ["first", "second"], PLAN, profile="embedded", variables=os.environ, progress=made.append if asked else None
    )
    assert {name: summary.total() for name, summary in sent.items()} == {"first": 10, "second": 10}
    if asked:
        assert len(made) == 4
        assert (made[0], made[-1]) == (0, 10)
        assert made == sorted(made)
    else:
        assert made == []


def test_events_are_counted_and_reported_once_a_second() -> None:
    reported, now = list[int](), [0.0]
    counted = CountedEvents(lambda moment: [cast(Any, moment)], reported.append, lambda: now[0])
    for tenth in range(25):
        now[0] = tenth / 10
        assert counted(cast(Any, tenth)) == [tenth]
    assert reported == [11, 21]
    counted.report()
    assert reported == [11, 21, 25]


def test_a_producers_progress_does_not_hide_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen
    error = json.dumps({"stream": "first", "error": "Kafka does not answer", "hint": "start it"})
    script = f"print('{{\"events_made\": 3}}'); print({error!r}); raise SystemExit(3)"
    monkeypatch.setattr(api.subprocess, "Popen", lambda _, **options: popen([sys.executable, "-c", script], **options))
    with pytest.raises(EnvironmentNotReadyError, match="Kafka does not answer"):
        api.produce(["first"], PLAN, profile="embedded", variables=os.environ, progress=lambda _: None)


def test_windows_that_cannot_be_closed_leave_no_client_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []

    def refuse(*_: object) -> None:
        raise EnvironmentNotReadyError("Kafka confirmed 0 of 8 control records", hint="")

    monkeypatch.setattr(plans, "connect", lambda *_: "producer")
    monkeypatch.setattr(plans, "close_windows", refuse)
    monkeypatch.setattr(plans, "disconnect", closed.append)
    with pytest.raises(EnvironmentNotReadyError):
        plans.close_streams(load("embedded"), PLAN)
    assert closed == ["producer"]


def test_a_lookup_without_sample_documents_is_none_to_store() -> None:
    # MongoDB's client refuses to write nothing before it looks for a server.
    stored = lookup.store_lookups(load("embedded").mongo, {"nothing": lambda _: ()}, PLAN)
    assert stored == {"nothing": 0}


def test_a_platform_that_does_not_answer_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter((TandemError("the engine does not answer", hint=""), None, "kafka keeps restarting"))

    def problem() -> str | None:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(records, "PROBLEM_POLL_S", 0.01)
    job = SimpleNamespace(problem=problem)
    with pytest.raises(TandemError, match="keeps restarting"), records.stop_at_problem(cast(Any, job)) as stop:
        assert stop.wait(10)
