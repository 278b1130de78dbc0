"""Recovery: the time from a kill of the driver under load to new facts."""

from __future__ import annotations

import os
import signal
import time

from tandem.platforms import Job
from tandem_bench.correctness import account
from tandem_bench.load_generator import LoadGenerator, Watch
from tandem_bench.parts.latency import RATE
from tandem_bench.result import Figure, Part, Row
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import driver_of, running_job

_DEADLINE_S = 180.0
_VERIFY_S = 120.0
# A fact this soon after its records shows that the backlog is done.
_CAUGHT_UP_S = 2.0


def measure(config: RunConfig) -> Part:
    """Returns seconds from the kill to the first new fact, and to the first that came without delay."""
    warm_s = 15.0 if config.quick else 30.0
    first: list[float] = []
    caught_up: list[float] = []
    with running_job(config.settings) as job:
        with Watch(config.settings.mongo) as watch, LoadGenerator(config.settings.kafka, RATE) as generator:
            for number in range(config.rounds):
                config.say(f"recovery, round {number + 1} of {config.rounds}")
                generator.run_for(warm_s, 0.0)
                killed = _kill(job)
                # Records in flight may still become visible: only later records prove the recovery.
                new = watch.first(generator, lambda fact: fact.sent_at > killed, deadline_s=_DEADLINE_S)  # noqa: B023
                first.append(new.at - killed)
                if new.latency >= _CAUGHT_UP_S:
                    new = watch.first(generator, lambda fact: fact.latency < _CAUGHT_UP_S, deadline_s=_DEADLINE_S)
                caught_up.append(new.at - killed)
        remark = account(config.settings, deadline_s=_VERIFY_S)
    rows = [
        Row("driver killed to the first new fact", "s", Figure(tuple(first)), remark=remark),
        Row(f"driver killed to facts in under {_CAUGHT_UP_S:.0f} s", "s", Figure(tuple(caught_up))),
    ]
    return Part(
        "recovery", "`kill -9` of the driver under load", rows, {"records/s": int(RATE), "rounds": config.rounds}
    )


def _kill(job: Job) -> float:
    """Returns when the driver, with its Java, was killed, in seconds since the epoch."""
    os.killpg(driver_of(job), signal.SIGKILL)
    return time.time()
