"""Drains: the job commits records that waited for it, and closes the windows that they let it close."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tandem.producer.plan import Plan
from tandem.settings.model import Settings
from tandem_bench.load import count, load
from tandem_bench.reports import Ends, Report
from tandem_bench.stage import Driver, Stage

_DEADLINE_S = 3600.0


@dataclass(frozen=True)
class Drain:
    """What one drain was.

    Attributes:
        ends: the topics' ends, by topic and partition.
        rate: records per second up to the commit.
        rate_closed: records per second up to the closing of windows.
        report: the job's, of the commit.
    """

    ends: Ends
    rate: float
    rate_closed: float
    report: Report


def cold(driver: Driver, ends: Ends) -> Drain:
    """Returns how a driver that has just started drained what waited for it, from the start of its query on."""
    return _watched(driver, ends, count(ends), driver.reports.started_at())


def warm(stage: Stage, driver: Driver, plan: Plan, before: Ends) -> Drain:
    """Returns how a driver that has drained before drains another set, which is sent while it is frozen.

    Args:
        stage: where Kafka is.
        driver: has nothing left to do.
        plan: the set; its event times come after those of the set before.
        before: the topics' ends.
    """
    with driver.frozen():
        ends = load(stage.settings.kafka, plan)
        began = time.time()
    return _watched(driver, ends, count(ends, before), began)


def patient(settings: Settings) -> Settings:
    """Returns settings with which a driver may be frozen for minutes.

    A topic never counts as quiet: the control records would be dated an hour ago, and all later sets would be late.
    And Spark does not give up its own executor, from which it has heard nothing meanwhile.
    """
    return settings.model_copy(
        update={
            "job": settings.job.model_copy(update={"idle_timeout_seconds": 86_400}),
            "spark": {**settings.spark, "spark.network.timeout": "3600s"},
        }
    )


def _watched(driver: Driver, ends: Ends, records: int, began: float) -> Drain:
    committed = driver.reports.drained(ends, deadline_s=_DEADLINE_S)
    closed = driver.reports.settled(committed, deadline_s=_DEADLINE_S)
    rate, rate_closed = (records / (report["at"].timestamp() - began) for report in (committed, closed))
    return Drain(ends, rate, rate_closed, committed)
