"""What a batch writes at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark.sql import SparkSession

from tandem.engine.write.side_by_side import side_by_side


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_tasks_run_at_once_and_for_the_callers_query(spark: SparkSession, threads: ThreadPoolExecutor) -> None:
    both = threading.Barrier(2, timeout=30)
    group = "spark.jobGroup.id"
    found: list[str | None] = []

    def task() -> None:
        both.wait()
        found.append(spark.sparkContext.getLocalProperty(group))

    for query in ("one", "another"):
        spark.sparkContext.setLocalProperty(group, query)
        side_by_side(threads, spark, [task, task])
    # Anything but a text takes it away, which Spark's own types do not say.
    spark.sparkContext.setLocalProperty(group, None)  # type: ignore[arg-type]
    assert found == ["one", "one", "another", "another"]


def test_results_are_in_the_order_of_the_tasks(spark: SparkSession, threads: ThreadPoolExecutor) -> None:
    second = threading.Event()

    def one() -> int:
        assert second.wait(30)
        return 1

    def two() -> str:
        second.set()
        return "two"

    assert side_by_side(threads, spark, [one, two]) == [1, "two"]
    assert side_by_side(threads, spark, []) == []


def test_all_have_ended_when_the_first_failure_is_raised(spark: SparkSession, threads: ThreadPoolExecutor) -> None:
    failed, ended = threading.Event(), threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError("the first")

    def end_later() -> None:
        assert failed.wait(30)
        ended.set()
        raise ValueError("the second")

    with pytest.raises(ValueError, match="the first"):
        side_by_side(threads, spark, [fail, end_later])
    assert ended.is_set()
