"""The settings with which the driver of a replay computes the documents."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tandem.engine.declare.replay_range import ReplayRange
from tandem.engine.run import batch
from tandem.job_files import job_config
from tandem.settings.load import load


def test_a_set_is_computed_with_the_settings_of_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's file may be of the job's last start, as with containers."""
    used: list[Any] = []
    compared: list[Any] = []
    monkeypatch.setattr(batch, "replay", lambda _spark, _pipeline, config, _span: used.append(config))
    monkeypatch.setattr(batch, "changed", lambda _spark, _pipeline, config: compared.append(config))
    old: Any = job_config(load("embedded"), "file:/c")
    new = {"parameters": {"match_window_seconds": 3600}, "lateness_seconds": 7, "max_clock_skew_seconds": 8}
    nothing: Any = None
    for span in (ReplayRange({}, since_ms=0, into="v2", settings=new), ReplayRange({}, since_ms=0)):
        batch.run(nothing, nothing, old, ReplayRange.parse(span.to_json()))
    assert {name: getattr(used[0], name) for name in new} == new
    # The job's own collections keep the settings of its checkpoint.
    assert used[1] == old
    assert compared == [old]


def test_executors_get_the_code_of_a_batch_and_not_that_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a copy with changes, and the workers' containers have the folder that the job runs from."""
    sent: list[str] = []

    def end() -> None:
        raise InterruptedError

    monkeypatch.setattr(batch, "load_pipeline", lambda _: SimpleNamespace(name="p"))
    monkeypatch.setattr(batch, "send_by_value", sent.append)
    monkeypatch.setattr(batch, "remember_java_names", end)
    monkeypatch.setattr("sys.argv", ["batch.py", "--pipeline", "pipelines.p", "--config", "job.json"])
    with pytest.raises(InterruptedError):
        batch.main()
    assert sent == ["pipelines.p"]
