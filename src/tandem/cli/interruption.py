"""Says what an interrupted command has left behind, and which command comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tandem.cli.context import CommandContext
from tandem.platforms.base import DeployedJob
from tandem.settings.load import chosen_profile


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
def interruption_explained(context: CommandContext, command: str, *, local: LocalState | None = None) -> Iterator[None]:
    """Explains an interruption of the ``with`` statement; the command then ends as usual.

    Args:
        context: the command.
        command: the command without its shared options.
        local: what it leaves in a local environment, if it acts on one.
    """
    try:
        yield
    except KeyboardInterrupt:
        if chosen_profile(context.profile) is None:
            # It may have been chosen because it ran, which has ended.
            context.profile = context.chosen[0]
        deployed = [job for job in context.jobs if isinstance(job, DeployedJob)]
        if deployed or local is None:
            state = "; ".join(f"{job.settings.pipeline}: {job.changes}" for job in deployed)
            local = LocalState(state, _way_on(command, deployed))
        context.say(f"error: interrupted: {local.state}\nhint: {local.hint}")
        raise


def _way_on(command: str, deployed: Sequence[DeployedJob]) -> str:
    """Returns which commands bring deployed jobs into a known state."""
    if command.startswith("destroy"):
        return f"run `tandem {command}` again to end the costs"
    if command == "submit" and all(job.changes.job for job in deployed):
        # It replaces a job that was asked to stop, and leaves a new one alone.
        command = "deploy"
    return f"`tandem {command}` continues, `tandem destroy` ends the job and its costs"
