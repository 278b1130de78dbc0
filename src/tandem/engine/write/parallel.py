"""Lets Spark do several small things at once: most of each is planning, which takes one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession


def side_by_side(threads: Executor, session: SparkSession, tasks: Sequence[Callable[[], None]]) -> None:
    """Returns when all tasks have ended, whether or not one failed: what they work on may be gone afterwards.

    Args:
        threads: as many as there are tasks.
        session: the caller's; what Spark knows of the caller's thread, such as the query that it works for, holds for
            the tasks.
        tasks: what to do.

    Raises:
        Exception: what the first of those that failed has raised.
    """
    begun = [threads.submit(inheritable_thread_target(session)(task)) for task in tasks]
    wait(begun)
    for each in begun:
        each.result()
