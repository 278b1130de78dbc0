"""Runs tasks of a batch at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession


def side_by_side(threads: Executor, session: SparkSession, tasks: Sequence[Callable[[], object]]) -> None:
    """Runs tasks at the same time; returns when all of them have ended, even if one failed.

    A task that outlived a failed one would work on a batch that is gone.

    Args:
        threads: at least one for each task.
        session: the caller's. The tasks get the caller's local properties, such as its query.
        tasks: what to run.

    Raises:
        Exception: the error of the first task, in the given order, that failed.
    """
    started = [threads.submit(inheritable_thread_target(session)(task)) for task in tasks]
    wait(started)
    for each in started:
        each.result()
