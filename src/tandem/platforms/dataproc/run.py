"""A job on a cluster or a serverless batch, as Dataproc describes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from tandem.platforms.dataproc.requests import ENTRY_LABEL, ENVIRONMENT_LABEL, LABEL, RELEASE_LABEL

# States of jobs and batches by Dataproc's names. A job that waits for its driver's restart counts as starting.
_STATES = {
    "PENDING": "starting",
    "SETUP_DONE": "starting",
    "ATTEMPT_FAILURE": "starting",
    "RUNNING": "running",
    "CANCEL_PENDING": "stopping",
    "CANCEL_STARTED": "stopping",
    "CANCELLING": "stopping",
    "CANCELLED": "stopped",
    "DONE": "stopped",
    "SUCCEEDED": "stopped",
    "ERROR": "failed",
    "FAILED": "failed",
}


@dataclass(frozen=True)
class Run:
    """One submitted job or serverless batch.

    Attributes:
        id: its id in Dataproc.
        state: ``starting``, ``running``, ``stopping``, ``stopped`` or ``failed``.
        since: the time of the last change of state.
        release: the digest of the submitted release.
        entry: the label's value of the pipeline's file that it runs.
        pipeline: the label's value of the pipeline.
        environment: the label's value of the environment.
        details: Dataproc's text about the state; it may be empty.
        output: the URI prefix of the objects with its driver's output; empty if there are none.
        uuid: distinguishes it from other runs with the same id.
        config: the URI of the job's configuration; empty if it is not a job of Tandem.
        cancelled: whether it was cancelled.
        restarts_left: how often Dataproc will still restart its driver, None if it restarts none.
    """

    id: str
    state: str
    since: datetime | None
    release: str
    entry: str
    pipeline: str
    environment: str
    details: str
    output: str
    uuid: str
    config: str = ""
    cancelled: bool = False
    restarts_left: int | None = None

    @property
    def active(self) -> bool:
        """Whether it uses the checkpoint or may start to."""
        return self.state in ("starting", "running", "stopping")

    @property
    def rank(self) -> tuple[bool, float]:
        """What orders runs from the oldest to the newest one; active ones are last."""
        return self.active, self.since.timestamp() if self.since else 0.0


def run_of(
    name: str,
    labels: Any,
    state: str,
    since: datetime | None,
    details: str,
    output: str,
    uuid: str,
    arguments: Sequence[str],
) -> Run:
    """Returns a job or a batch as a run.

    Args:
        name: its id.
        labels: its labels.
        state: its state by Dataproc's name.
        since: the time of the last change of state.
        details: Dataproc's text about the state.
        output: the URI of its driver's output.
        uuid: distinguishes it from other runs with the same id.
        arguments: the driver's arguments.
    """
    pairs = dict(pairwise(arguments))
    return Run(
        id=name,
        state=_STATES.get(state, "starting"),
        since=since or None,
        release=labels.get(RELEASE_LABEL, ""),
        entry=labels.get(ENTRY_LABEL, ""),
        pipeline=labels.get(LABEL, ""),
        environment=labels.get(ENVIRONMENT_LABEL, ""),
        details=" ".join(details.split())[:300],
        output=output,
        uuid=uuid,
        config=pairs.get("--config", ""),
        cancelled=state == "CANCELLED",
    )
