"""Says what an interrupted or failed command leaves behind, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tandem.cli.context import CommandContext
from tandem.errors import TandemError
from tandem.platforms.base import DeployedJob
from tandem.settings.load import chosen_profile

_BATCHES = ("reconcile", "replay")


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
def changes_explained(context: CommandContext, command: str, *, local: LocalState | None = None) -> Iterator[None]:
    """Explains what the ``with`` statement has changed if it is interrupted or fails.

    The command then ends as usual. An error gets a note, which is printed after it.

    Args:
        context: the command.
        command: the command without its shared options.
        local: what an interruption leaves in a local environment, if the command acts on one.
    """
    try:
        yield
    except KeyboardInterrupt:
        deployed = _deployed(context)
        if command.startswith(_BATCHES):
            # Such a command leaves nothing behind but a batch that continues without it.
            deployed = [job for job in deployed if job.changes]
        if deployed:
            local = LocalState(_state(deployed), _way_on(command, deployed))
        if local:
            _name_profile(context)
            context.say(f"error: interrupted: {local.state}\nhint: {local.hint}")
        raise
    except TandemError as error:
        if changed := [job for job in _deployed(context) if job.changes]:
            _name_profile(context)
            runs = any(job.changes.running for job in changed)
            way_out = f"; {_way_out(command, changed)}" if runs else ""
            error.add_note(context.told(f"so far: {_state(changed)}{way_out}"))
        raise


def _deployed(context: CommandContext) -> list[DeployedJob]:
    return [job for job in context.jobs if isinstance(job, DeployedJob)]


def _name_profile(context: CommandContext) -> None:
    """Names the profile in the commands of messages.

    It may have been chosen because it ran, which has ended.
    """
    if chosen_profile(context.profile) is None:
        context.profile = context.chosen[0]


def _state(deployed: Sequence[DeployedJob]) -> str:
    return "; ".join(f"{job.settings.pipeline}: {job.changes}" for job in deployed)


def _way_on(command: str, deployed: Sequence[DeployedJob]) -> str:
    """Returns which commands bring deployed jobs into a known state."""
    if command.startswith(("destroy", *_BATCHES)):
        return _way_out(command, deployed)
    if command == "submit" and all(job.changes.job for job in deployed):
        # It replaces a job that was asked to stop, and leaves a new one alone.
        command = "deploy"
    return f"`tandem {command}` continues, {_way_out(command, deployed)}"


def _way_out(command: str, deployed: Sequence[DeployedJob]) -> str:
    """Returns which command ends jobs and costs, or shows a batch's result."""
    billed = any(job.changes.billed for job in deployed)
    match command.split():
        case ["destroy", *_]:
            return f"run `tandem {command}` again{' to end the costs' if billed else ''}"
        case ["reconcile"]:
            return "`tandem reconcile` waits for its end and prints its report"
        case ["replay", *options]:
            return f"`tandem {' '.join(('verify', *options))}` compares its documents when it has ended"
    return f"`tandem destroy` ends the job{' and its costs' if billed else ''}"
