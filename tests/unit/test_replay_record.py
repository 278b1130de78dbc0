"""What a running replay stores about itself."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.replay_range import ReplayRange
from tandem.engine.run import replay_record
from tandem.engine.run.replay_record import ReplayRecord
from tandem.replay.sets import Step, replayed
from tests.unit.test_replay import Found, Rows


class Stages:
    """Stands for Spark's status tracker: the tasks of the stages that run."""

    def __init__(self) -> None:
        self.stages: dict[int, tuple[int, int]] = {}

    def getActiveStageIds(self) -> list[int]:
        # A stage may end before it is looked up.
        return [*self.stages, 99]

    def getStageInfo(self, stage: int) -> Any:
        if stage not in self.stages:
            return None
        done, tasks = self.stages[stage]
        return SimpleNamespace(stageId=stage, numCompletedTasks=done, numTasks=tasks)


class Documents:
    """Stands for the collection; the newest document, and all of them."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self.stored = threading.Condition()

    def put(self, document: dict[str, Any]) -> None:
        with self.stored:
            self.all.append(json.loads(json.dumps(document)))
            self.stored.notify_all()

    def await_progress(self, step: str) -> dict[str, Any]:
        def newest() -> bool:
            return bool(self.all[-1]["progress"]) and self.all[-1]["progress"]["step"] == step

        with self.stored:
            assert self.stored.wait_for(newest, 10)
            return self.all[-1]


def test_a_replay_stores_its_step_and_the_tasks_of_the_newest_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    stages, documents = Stages(), Documents()
    monkeypatch.setattr(replay_record, "MongoCollection", lambda *_: documents)
    monkeypatch.setattr(replay_record, "_REPORT_S", 0.001)
    spark = cast(Any, SimpleNamespace(sparkContext=SimpleNamespace(statusTracker=lambda: stages)))
    config = cast(JobConfig, SimpleNamespace(pipeline="p"))
    with ReplayRecord(spark, config, ReplayRange({}, since_ms=0, into="v2")) as record:
        assert (documents.all[0]["state"], documents.all[0]["progress"]) == ("running", None)
        record.step("reading the range")
        assert documents.await_progress("reading the range")["progress"]["total"] == 0
        stages.stages = {3: (1, 4), 5: (7, 20), 4: (2, 4)}
        record.step("writing facts")
        stored = documents.await_progress("writing facts")
        found = replayed(Found({"tandem_replays": Rows([stored])}), "p", "v2")  # type: ignore[arg-type]
        assert found is not None
        assert (found.state, found.progress) == ("running", Step("writing facts", 7, 20))
    assert (documents.all[-1]["state"], documents.all[-1]["progress"]) == ("done", None)
