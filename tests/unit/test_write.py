"""What a query has begun ends with it, though its driver stays for the next one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import pytest

from tandem.engine.run import job
from tandem.engine.spark.checkpoint import Planned
from tandem.engine.spark.failure import AnotherDriverError
from tandem.engine.write import batch_writer
from tandem.engine.write.batch_rows import Counts
from tandem.engine.write.batch_steps import COMPUTE, DOCUMENTS, LETTERS, BatchSteps
from tandem.engine.write.batch_writer import BatchWriter
from tandem.pipelines.orders_payments.transform import PIPELINE
from tests.spark.records import job_config


@pytest.mark.parametrize("raised", [None, RuntimeError("for this test")], ids=["ended", "raised"])
def test_the_writers_threads_end_with_the_query(monkeypatch: pytest.MonkeyPatch, raised: Exception | None) -> None:
    begun: list[threading.Thread] = []

    class Pool(ThreadPoolExecutor):
        """Begins its threads at once."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            wait([self.submit(lambda: begun.append(threading.current_thread())) for _ in range(4)])

    rows = MagicMock()
    query = rows.writeStream.queryName().foreachBatch().option().trigger().start()
    query.isActive = False
    for name in ("ProgressReporter", "ControlRecordSender", "record"):
        monkeypatch.setattr(job, name, MagicMock())
    monkeypatch.setattr(job, "changed", lambda *_: None)
    monkeypatch.setattr(job, "as_stream", MagicMock(return_value=rows, side_effect=raised))
    monkeypatch.setattr(batch_writer, "ThreadPoolExecutor", Pool)
    spark: Any = MagicMock()
    pipeline, stopping = replace(PIPELINE, outputs=()), threading.Event()
    stopping.set()
    if raised:
        with pytest.raises(RuntimeError):
            job.run(spark, pipeline, job_config("p"), stopping)
    else:
        job.run(spark, pipeline, job_config("p"), stopping)
        query.stop.assert_called_once_with()
    assert begun
    for thread in begun:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_only_the_first_batch_of_a_run_may_have_been_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a new checkpoint at any time, by an earlier one; else since it was planned."""
    large = MagicMock(**{"compute.return_value": Counts(0, 1, old=False)})
    monkeypatch.setattr(batch_writer, "LargeBatches", lambda *_: large)
    monkeypatch.setattr(batch_writer, "planned", lambda *_: Planned({"orders": {"0": 50_000}}, 0, 77, {}))
    monkeypatch.setattr(batch_writer, "is_committed", lambda *_: False)
    monkeypatch.setattr(batch_writer, "is_small", lambda *_, **__: False)
    monkeypatch.setattr(batch_writer, "side_by_side", lambda _, __, tasks: [task() for task in tasks])

    def times_of(*batches: int) -> list[int | None]:
        large.append_letters.reset_mock()
        spark: Any = MagicMock()
        writer = BatchWriter(spark, PIPELINE, job_config("p"), threading.Event())
        for batch_id in batches:
            writer.write(MagicMock(), batch_id)
        writer.close()
        return [call.kwargs["since_ms"] for call in large.append_letters.call_args_list]

    assert times_of(0, 1) == [0, None]
    assert times_of(5, 6) == [77, None]


def test_the_steps_of_a_batch_are_measured_and_kept_until_it_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    large = MagicMock(**{"compute.return_value": Counts(5, 2, old=False)})
    monkeypatch.setattr(batch_writer, "LargeBatches", lambda *_: large)
    monkeypatch.setattr(batch_writer, "planned", lambda *_: Planned({"orders": {"0": 50_000}}, 0, 77, {}))
    monkeypatch.setattr(batch_writer, "is_committed", lambda *_: False)
    monkeypatch.setattr(batch_writer, "is_small", lambda *_, **__: False)
    monkeypatch.setattr(batch_writer, "side_by_side", lambda _, __, tasks: [task() for task in tasks])
    spark: Any = MagicMock()
    writer = BatchWriter(spark, PIPELINE, job_config("p"), threading.Event())
    for batch_id in (3, 4):
        writer.write(MagicMock(), batch_id)
    writer.close()
    steps = writer.steps_of(3)
    collections = [(DOCUMENTS, output.collection_name) for output in PIPELINE.outputs]
    assert [(each["step"], each["collection"]) for each in steps.taken] == [
        (COMPUTE, None),
        (LETTERS, None),
        *collections,
    ]
    assert steps.dead_letters == 2
    # The next batch was written before Spark reported this one.
    assert len(writer.steps_of(4).taken) == len(steps.taken)
    assert writer.steps_of(4) == BatchSteps()


def test_a_step_that_fails_is_not_reported() -> None:
    steps = BatchSteps()
    with pytest.raises(RuntimeError), steps.measured(COMPUTE):
        raise RuntimeError
    assert steps.taken == []


def test_the_error_of_a_batch_that_was_not_cached_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_writer, "planned", lambda *_: Planned({"orders": {"0": 50_000}}, 0, 77, {}))
    monkeypatch.setattr(batch_writer, "is_committed", lambda *_: False)
    spark: Any = MagicMock()
    batch = MagicMock(**{"persist.side_effect": RuntimeError("Java has ended")})
    writer = BatchWriter(spark, PIPELINE, job_config("p"), threading.Event())
    with pytest.raises(RuntimeError, match="Java has ended"):
        writer.write(batch, 0)
    writer.close()


@pytest.mark.parametrize("committed", [False, True])
def test_a_batch_that_another_driver_has_committed_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """Also a batch without dead letters: Spark refuses a second commit only until it purges the first."""
    large, tasks = MagicMock(**{"compute.return_value": Counts(1, 0, old=False)}), MagicMock()
    monkeypatch.setattr(batch_writer, "LargeBatches", lambda *_: large)
    monkeypatch.setattr(batch_writer, "planned", lambda *_: Planned({"orders": {"0": 50_000}}, 0, 77, {}))
    monkeypatch.setattr(batch_writer, "is_committed", lambda *_: committed)
    monkeypatch.setattr(batch_writer, "side_by_side", tasks)
    spark: Any = MagicMock()
    writer = BatchWriter(spark, PIPELINE, job_config("p"), threading.Event())
    with pytest.raises(AnotherDriverError) if committed else nullcontext():
        writer.write(MagicMock(), 1)
    writer.close()
    assert tasks.called is not committed
    large.clear.assert_called_once_with()


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("step", ["plan", "state"])
def test_a_batch_fails_because_another_drivers_later_batches_have_purged_its_files(
    monkeypatch: pytest.MonkeyPatch, step: str, committed: bool
) -> None:
    gone = FileNotFoundError("purged")
    large = MagicMock(**{"compute.side_effect": gone})
    monkeypatch.setattr(batch_writer, "LargeBatches", lambda *_: large)
    plan = MagicMock(side_effect=gone if step == "plan" else None, return_value=Planned({}, 0, 77, {}))
    monkeypatch.setattr(batch_writer, "planned", plan)
    monkeypatch.setattr(batch_writer, "is_committed", lambda *_: committed)
    spark: Any = MagicMock()
    writer = BatchWriter(spark, PIPELINE, job_config("p"), threading.Event())
    with pytest.raises(AnotherDriverError if committed else FileNotFoundError):
        writer.write(MagicMock(), 1)
    writer.close()


def test_the_error_of_a_batch_is_kept_if_the_checkpoint_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_writer, "planned", MagicMock(side_effect=FileNotFoundError("the first error")))
    monkeypatch.setattr(batch_writer, "is_committed", MagicMock(side_effect=OSError("no answer")))
    spark: Any = MagicMock()
    writer = BatchWriter(spark, PIPELINE, job_config("p"), threading.Event())
    with pytest.raises(FileNotFoundError, match="the first error"):
        writer.write(MagicMock(), 1)
    writer.close()
