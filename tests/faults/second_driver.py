"""Two drivers on one checkpoint: the first one hangs in mid-batch, and another does its work meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil

from tandem.pipelines.orders_payments.streams import FACTS
from tests.environment import Environment
from tests.faults.backends import Processes, send

ATTEMPTS = 5
PATIENCE_S = 300


def two_drivers(environment: Environment) -> None:
    """Returns when the second driver has committed the batch in whose middle the first one was stopped.

    The first one has gone on then and has ended, and the second one was ended. The batch has dead letters, which are
    written last.
    """
    processes = Processes(environment.home)
    commit = next((commit for _ in range(ATTEMPTS) if (commit := stopped_in_mid_batch(environment, processes))), None)
    assert commit, "the first driver was always too fast"
    first = psutil.Process(processes.pids("job")[0])
    with (environment.home / "second-driver.log").open("wb") as log:
        second = subprocess.Popen(
            first.cmdline(), env=first.environ(), cwd=first.cwd(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        environment.wait("the second driver's commit", commit.exists, PATIENCE_S)
        send(processes, "job", signal.SIGCONT)
        environment.wait(
            "the first driver's end",
            lambda: not first.is_running() or first.status() == psutil.STATUS_ZOMBIE,
            PATIENCE_S,
        )
    finally:
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()


def stopped_in_mid_batch(environment: Environment, processes: Processes) -> Path | None:
    """Returns the commit that the driver has not come to, or None, and then it goes on."""
    environment.wait("lag 0", environment.caught_up)
    send(processes, "job", signal.SIGSTOP)
    environment.tandem("produce", "--count", "20000", "--close")
    batch = 1 + max(int(path.name) for path in (processes.checkpoint / "offsets").glob("[0-9]*"))
    commit = processes.checkpoint / "commits" / str(batch)
    with environment.database() as database:
        before = database[FACTS].count_documents({})
        send(processes, "job", signal.SIGCONT)
        while database[FACTS].count_documents({}) == before:
            pass
    send(processes, "job", signal.SIGSTOP)
    if not commit.exists():
        return commit
    send(processes, "job", signal.SIGCONT)
    return None
