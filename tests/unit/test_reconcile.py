"""Reconcile repairs nothing without a report of the job."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tandem.engine.declare.job_config import JobConfig, KafkaConfig, MongoConfig
from tandem.engine.run import reconcile as module
from tandem.engine.run.reconcile import reconcile
from tandem.engine.spark.failure import CannotGoOnError
from tandem.pipelines.orders_payments.transform import PIPELINE

NONE: Any = cast(Any, None)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> JobConfig:
    monkeypatch.setattr(module, "newest_progress", lambda *_: None)
    return JobConfig("orders_payments", KafkaConfig(""), MongoConfig("", ""), "", 300, 300, 30, 1800)


def test_a_job_that_has_committed_batches_must_have_reported(
    monkeypatch: pytest.MonkeyPatch, config: JobConfig
) -> None:
    monkeypatch.setattr(module, "last_committed", lambda *_: 7)
    with pytest.raises(CannotGoOnError, match="no report"):
        reconcile(NONE, PIPELINE, config)


def test_before_the_first_batch_there_is_nothing_to_repair(monkeypatch: pytest.MonkeyPatch, config: JobConfig) -> None:
    monkeypatch.setattr(module, "last_committed", lambda *_: None)
    assert reconcile(NONE, PIPELINE, config)["compared"] == {}
