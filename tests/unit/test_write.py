"""What a query has begun ends with it, though its driver stays for the next one."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from typing import Any
from unittest.mock import MagicMock

import pytest

from tandem.engine.run import job
from tandem.engine.write.batch_writer import BatchWriter
from tandem.pipelines.orders_payments.transform import PIPELINE
from tests.spark.records import job_config


@pytest.mark.parametrize("raised", [None, RuntimeError("for this test")], ids=["ended", "raised"])
def test_the_writers_threads_end_with_the_query(monkeypatch: pytest.MonkeyPatch, raised: Exception | None) -> None:
    begun: list[threading.Thread] = []

    def query(*arguments: Any) -> None:
        writer = next(each for each in arguments if isinstance(each, BatchWriter))
        asked = [writer._pool.submit(lambda: begun.append(threading.current_thread())) for _ in range(4)]
        wait(asked)
        if raised:
            raise raised

    for name in ("ProgressReporter", "Pacemaker", "record"):
        monkeypatch.setattr(job, name, MagicMock())
    monkeypatch.setattr(job, "changed", lambda *_: None)
    monkeypatch.setattr(job, "_run", query)
    spark: Any = MagicMock()
    if raised:
        with pytest.raises(RuntimeError):
            job.run(spark, PIPELINE, job_config("p"), threading.Event())
    else:
        job.run(spark, PIPELINE, job_config("p"), threading.Event())
    assert begun
    for thread in begun:
        thread.join(timeout=60)
        assert not thread.is_alive()
