"""Fills the windows of the join, as after hours of a steady load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tandem.producer.record_plan import Mix, Plan
from tandem.settings.model import Settings
from tandem_bench.bulk_load import load
from tandem_bench.reports import Report, Reports

_SEED = 11
_DEADLINE_S = 3600.0


def fill(settings: Settings, reports: Reports, rows: int) -> Report:
    """Sends records that stay in state; returns the report of their commit.

    Their event times are spread over the windows, so that they leave the state at the rate at which they came.

    Args:
        settings: of an environment whose job runs.
        reports: the reports of its driver.
        rows: the approximate number of records.

    Raises:
        EnvironmentNotReadyError: the job did not commit them within an hour.
        TandemError: Kafka rejected a record.
    """
    ends = load(settings.kafka, plan(settings, rows, datetime.now(UTC)))
    return reports.drained(ends, deadline_s=_DEADLINE_S)


def plan(settings: Settings, rows: int, now: datetime) -> Plan:
    """Returns the records that fill the windows at a moment.

    Args:
        settings: the pipeline's settings.
        rows: the approximate number of records.
        now: the newest event time, with a time zone.
    """
    job = settings.job
    span = timedelta(seconds=job.parameters["match_window_seconds"] + job.lateness_seconds)
    # An event is an order and, mostly, one payment.
    return Plan(seed=_SEED, count=max(1, rows // 2), start=now - span, mix=Mix(repeats=0, late=0), span=span)
