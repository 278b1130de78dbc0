"""Two drivers on one checkpoint: the first one hangs in a batch, and another does its work and more meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import psutil

from tandem.pipelines.orders_payments.streams import FACTS
from tests.environment import Environment
from tests.faults.backends import Processes, is_state_written, send

ATTEMPTS = 5
PATIENCE_S = 300
# More than Spark keeps commits of (`spark.sql.streaming.minBatchesToRetain`).
BATCHES = 12


def two_drivers(environment: Environment, *, first_ends: bool) -> None:
    """Stops a driver while it computes a batch and wakes it after another has committed that batch and many more.

    The other driver commits so many that Spark has purged the batch's commit. It is killed in the end. The batch has
    dead letters.

    Args:
        environment: an environment that runs.
        first_ends: whether the woken driver must end by itself. Otherwise it must commit its batch.
    """
    processes = Processes(environment.home)
    commit = next((commit for _ in range(ATTEMPTS) if (commit := stopped_in_a_batch(environment, processes))), None)
    assert commit, "the first driver was always too fast"
    first = psutil.Process(processes.pids("job")[0])
    with (environment.home / "second-driver.log").open("wb") as log:
        second = subprocess.Popen(
            first.cmdline(), env=first.environ(), cwd=first.cwd(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        environment.wait("the second driver's commit", commit.exists, PATIENCE_S)
        for _ in range(BATCHES):
            commit_another(environment, commit.parent)
        assert not commit.exists()
        send(processes, "job", signal.SIGCONT)
        if first_ends:
            environment.wait("the first driver's end", partial(has_ended, first), PATIENCE_S)
        else:
            environment.wait("the first driver's commit", commit.exists, PATIENCE_S)
    finally:
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()


def has_ended(process: psutil.Process) -> bool:
    """Returns whether a process has ended, although nobody has waited for it."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def commit_another(environment: Environment, commits: Path) -> None:
    """Returns when the driver that runs has committed a further batch."""
    before = newest(commits)
    environment.tandem("produce", "--count", "20")
    environment.wait("another commit", lambda: newest(commits) > before)


def newest(batches: Path) -> int:
    """Returns the number of the newest batch in a folder of the checkpoint."""
    return max(int(path.name) for path in batches.glob("[0-9]*"))


def stopped_in_a_batch(environment: Environment, processes: Processes) -> Path | None:
    """Returns the commit that the driver has not come to, or None, and then it goes on.

    The driver computes the batch and has written none of its documents. A driver that hangs while it appends dead
    letters appends them twice, which is a known limitation.
    """
    environment.wait("lag 0", environment.caught_up)
    send(processes, "job", signal.SIGSTOP)
    environment.tandem("produce", "--count", "20000", "--close")
    batch = 1 + newest(processes.checkpoint / "offsets")
    commit = processes.checkpoint / "commits" / str(batch)
    with environment.database() as database:
        before = database[FACTS.name].count_documents({})
        send(processes, "job", signal.SIGCONT)
        while not is_state_written(processes.checkpoint, batch):
            pass
        send(processes, "job", signal.SIGSTOP)
        if database[FACTS.name].count_documents({}) == before and not commit.exists():
            return commit
    send(processes, "job", signal.SIGCONT)
    return None
