"""Runs the tasks of a batch in parallel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from typing import Any

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession


def side_by_side(threads: Executor, session: SparkSession, tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """Runs tasks in parallel; returns their results.

    It returns when all have ended, even if one failed. A task that outlived a failed one would work on a batch that is
    gone.

    Args:
        threads: an executor with at least one thread for each task.
        session: the caller's session. The tasks inherit its local properties, such as the query.
        tasks: the tasks.

    Raises:
        Exception: the error of the first failed task, in the given order.
    """
    started = [threads.submit(inheritable_thread_target(session)(task)) for task in tasks]
    wait(started)
    return [each.result() for each in started]
