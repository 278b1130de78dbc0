"""Drains: the job commits a backlog and closes its windows."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tandem.producer.record_plan import Plan
from tandem.settings.model import KafkaSettings, Settings
from tandem_bench.bulk_load import count, load
from tandem_bench.reports import Ends, Report, Reports

_DEADLINE_S = 3600.0


class Freezable(Protocol):
    """A driver that can be suspended."""

    @property
    def reports(self) -> Reports:
        """Its reports."""

    def frozen(self) -> AbstractContextManager[None]:
        """Suspends it while the block runs."""


@dataclass(frozen=True)
class Drain:
    """The measurement of one drain.

    Attributes:
        ends: the topics' ends, by topic and partition.
        rate: records per second up to the commit.
        rate_closed: records per second up to the closing of windows.
        report: the job's report of the commit.
    """

    ends: Ends
    rate: float
    rate_closed: float
    report: Report


def cold(driver: Freezable, ends: Ends) -> Drain:
    """Returns the drain of a backlog by a driver that has just started.

    The time begins with its query.
    """
    return _watched(driver, ends, count(ends), driver.reports.started_at())


def warm(kafka: KafkaSettings, driver: Freezable, plan: Plan, before: Ends) -> Drain:
    """Returns the drain of a further set, which is sent while the driver is suspended.

    Args:
        kafka: Kafka's settings.
        driver: an idle driver.
        plan: the set; its event times follow those of the previous set.
        before: the topics' ends.
    """
    with driver.frozen():
        ends = load(kafka, plan)
        began = time.time()
    return _watched(driver, ends, count(ends, before), began)


def patient(settings: Settings) -> Settings:
    """Returns settings that allow a driver to be suspended for minutes.

    A topic never counts as quiet: control records would be dated an hour ago, and all later sets would be late. Spark
    does not give up its silent executor.
    """
    return settings.model_copy(
        update={
            "job": settings.job.model_copy(update={"idle_timeout_seconds": 86_400}),
            "spark": {**settings.spark, "spark.network.timeout": "3600s"},
        }
    )


def _watched(driver: Freezable, ends: Ends, records: int, began: float) -> Drain:
    committed = driver.reports.drained(ends, deadline_s=_DEADLINE_S)
    closed = driver.reports.settled(committed, deadline_s=_DEADLINE_S)
    rate, rate_closed = (records / (report["at"].timestamp() - began) for report in (committed, closed))
    return Drain(ends, rate, rate_closed, committed)
