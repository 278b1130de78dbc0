"""Finds a run's state and problems by Dataproc's answer and the newest report."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tandem.platforms.dataproc.refusals import recognised
from tandem.platforms.dataproc.run import Run

# Two hours at Dataproc's limit of ten an hour.
_FEW_RESTARTS = 20
# A job reports every three seconds, and a driver needs a minute or two until it does. Clocks differ.
_SILENT = timedelta(minutes=5)


def few_restarts(run: Run) -> str | None:
    """Returns a warning if Dataproc will soon stop restarting a running job's driver."""
    if not run.active or run.restarts_left is None or run.restarts_left >= _FEW_RESTARTS:
        return None
    return (
        f"Dataproc will restart the driver of {run.id} only {run.restarts_left} more times in this job's life, however "
        "far apart its failures are; `tandem submit` replaces the job by one with all its restarts"
    )


def silence_of(run: Run, newest: dict[str, Any] | None, now: datetime) -> str | None:
    """Returns a warning if a running job has not reported for a while.

    Args:
        run: the job.
        newest: the newest progress document of any driver; None if none ever reported.
        now: the time, with a time zone.
    """
    if run.state != "running" or run.since is None:
        return None
    if (silent := now - (max(run.since, newest["at"]) if newest else run.since)) < _SILENT:
        return None
    return (
        f"the job {run.id} has not reported for {round(silent.total_seconds() / 60)} minutes: its driver does not run, "
        "or cannot write to MongoDB; `tandem logs job` may say why"
    )


def state_of(run: Run, newest: dict[str, Any] | None) -> str:
    """Returns a run's state.

    A job that must not be restarted reports why and ends with exit code 0.
    """
    done = run.state == "stopped" and not run.cancelled
    return "failed" if done and newest and newest["event"] == "failed" else run.state


def problem_of(run: Run | None, newest: dict[str, Any] | None) -> str | None:
    """Returns why a run failed or was ended.

    None if it runs or was stopped on request.
    """
    state = run and state_of(run, newest)
    if run is None or state not in ("failed", "stopped"):
        return None
    if state == "stopped":
        # A job that was asked to stop reports that last.
        cut = newest and newest["event"] not in ("stopped", "failed")
        return f"the job {run.id} was cancelled or reached its time limit" if cut else None
    own = newest["error"] if newest and newest["event"] == "failed" else None
    refusal = recognised(run.details)
    return f"the job {run.id} failed: {own or (f'{refusal.reason}: {refusal.hint}' if refusal else run.details)}"
