"""Says what an interrupted command has left behind, and which command comes next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tandem.cli.context import CommandContext
from tandem.platforms.base import DeployedJob


@dataclass(frozen=True)
class LocalState:
    """What an interruption leaves behind in an environment on this machine.

    Attributes:
        state: services and jobs, as part of a message.
        hint: what to do.
    """

    state: str
    hint: str


@contextmanager
def interruption_explained(
    context: CommandContext, following: str, *, local: LocalState | None = None
) -> Iterator[None]:
    """Explains an interruption of the ``with`` statement; the command then ends as usual.

    Args:
        context: the command.
        following: the command that brings a deployed job into a known state.
        local: what it leaves in a local environment, if it acts on one.
    """
    try:
        yield
    except KeyboardInterrupt:
        deployed = [f"{job.settings.pipeline}: {job.changes}" for job in context.jobs if isinstance(job, DeployedJob)]
        if deployed or local is None:
            local = LocalState("; ".join(deployed), f"run `tandem {following}`")
        context.say(f"error: interrupted: {local.state}\nhint: {local.hint}")
        raise
