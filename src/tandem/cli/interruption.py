"""Says what an interrupted command has left behind, and which command comes next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tandem.cli.context import CommandContext
from tandem.platforms import Job
from tandem.platforms.base import DeployedJob


@contextmanager
def interruption_explained(context: CommandContext, following: str) -> Iterator[None]:
    """Explains an interruption of the ``with`` statement; the command then ends as usual.

    Args:
        context: the command.
        following: the command that brings a deployed job into a known state.
    """
    try:
        yield
    except KeyboardInterrupt:
        states = [f"{job.settings.pipeline}: {_state(job)}" for job in context.jobs]
        chosen = f" --pipeline {context.pipeline}" if context.pipeline else ""
        deployed = isinstance(context.job, DeployedJob)
        hint = f"run `tandem{chosen} {following}`" if deployed else f"`tandem{chosen} status` shows its state"
        context.say(f"error: interrupted: {'; '.join(states)}\nhint: {hint}")
        raise


def _state(job: Job) -> str:
    return job.unfinished() if isinstance(job, DeployedJob) else "the job may have stopped, or be restarting"
