"""Runs a reconciliation or a replay as a job of its own in Google Cloud."""

from __future__ import annotations

from dataclasses import replace

import structlog

from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import TandemError
from tandem.job_files import RECONCILE, REPLAY, replay_arguments
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.release import Release, release
from tandem.platforms.dataproc.runs import Run, Runs
from tandem.settings.model import Settings

_RECONCILE_DEADLINE_S = 3600.0
_REPLAY_DEADLINE_S = 24 * 3600.0
_log = structlog.get_logger(__name__)


def reconcile(deployment: Deployment, settings: Settings) -> tuple[Runs, Run]:
    """Returns the finished batch and its service; joins one that is running.

    Raises:
        TandemError: it could not be submitted, or did not end.
    """
    service, run = deployment.newest(RECONCILE)
    if run is None or not run.active:
        service, run = deployment.jobs, _submit(deployment, release(settings, RECONCILE))
    _log.info("reconciling", job=run.id)
    return service, service.await_end(run, _RECONCILE_DEADLINE_S)


def replay(deployment: Deployment, settings: Settings, span: ReplayRange) -> tuple[Runs, Run]:
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
    run = _submit(deployment, replace(made, arguments=(*made.arguments, *replay_arguments(span))))
    _log.info("replaying", job=run.id)
    return deployment.jobs, deployment.jobs.await_end(run, _REPLAY_DEADLINE_S)


def _submit(deployment: Deployment, made: Release) -> Run:
    deployment.upload(made)
    newest = deployment.jobs.newest(made.entry)
    return deployment.jobs.submit(made, newest.id if newest else None)
