"""What is around the sending of records: nothing is left behind when it fails, and nothing is asked for in vain."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tandem.cli import plans, records
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.producer import api, lookup
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
