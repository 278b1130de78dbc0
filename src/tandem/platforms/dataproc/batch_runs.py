"""Runs and cancels reconciliations and replays, jobs of their own in Google Cloud."""

from __future__ import annotations

from dataclasses import replace

import structlog

from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import TandemError
from tandem.job_files import RECONCILE, REPLAY, replay_arguments
from tandem.platforms.changes import ChangesSoFar
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.release import Release, release
from tandem.platforms.dataproc.run import Run
from tandem.platforms.dataproc.runs import Runs
from tandem.platforms.observe import BATCHES
from tandem.settings.model import Settings

_RECONCILE_DEADLINE_S = 3600.0
_REPLAY_DEADLINE_S = 24 * 3600.0
_log = structlog.get_logger(__name__)


def reconcile(deployment: Deployment, settings: Settings, changes: ChangesSoFar) -> tuple[Runs, Run]:
    """Returns the finished batch and its service; joins one that is running.

    Raises:
        TandemError: it could not be submitted, or did not end.
    """
    service, run = deployment.newest(RECONCILE)
    if run is None or not run.active:
        service, run = deployment.jobs, _submit(deployment, release(settings, RECONCILE), changes)
    _log.info("reconciling", job=run.id)
    return service, _ended(service, run, _RECONCILE_DEADLINE_S, changes)


def replay(deployment: Deployment, settings: Settings, changes: ChangesSoFar, span: ReplayRange) -> tuple[Runs, Run]:
    """Returns the finished batch and its service.

    Raises:
        TandemError: another one is running, it could not be submitted, or it did not end.
    """
    _, newest = deployment.newest(REPLAY)
    if newest and newest.active:
        # It may have another range.
        raise TandemError(
            f"the replay {newest.id} is running",
            hint="wait until it has ended; `tandem verify --into SUFFIX` then compares its documents",
        )
    made = release(settings, REPLAY)
    run = _submit(deployment, replace(made, arguments=(*made.arguments, *replay_arguments(span))), changes)
    _log.info("replaying", job=run.id)
    return deployment.jobs, _ended(deployment.jobs, run, _REPLAY_DEADLINE_S, changes)


def cancel(deployment: Deployment, changes: ChangesSoFar) -> bool:
    """Cancels the pipeline's active reconciliations and replays.

    Returns whether there were any.
    """
    active = [(service, run) for service in deployment.services for run in service.active_batches()]
    for service, run in active:
        _log.warning(f"{BATCHES[run.entry]} is cancelled; it is safe to run it again", job=run.id)
        changes.batch = f"{_name(run)} was asked to end"
        service.end(run)
        changes.batch = f"{_name(run)} has been cancelled"
    return bool(active)


def _name(run: Run) -> str:
    return f"{BATCHES[run.entry]} {run.id}"


def _ended(service: Runs, run: Run, deadline_s: float, changes: ChangesSoFar) -> Run:
    changes.batch = f"{changes.with_costs(f'{_name(run)} continues')}; {service.way_to_end(run)} ends it"
    ended = service.await_end(run, deadline_s)
    changes.batch = ""
    return ended


def _submit(deployment: Deployment, made: Release, changes: ChangesSoFar) -> Run:
    deployment.upload(made)
    newest = deployment.jobs.newest(made.entry)
    changes.batch = f"it is unknown whether {BATCHES[made.entry]} was submitted"
    return deployment.jobs.submit(made, newest.id if newest else None)
