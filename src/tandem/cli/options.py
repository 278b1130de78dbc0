"""The options that every command shares, and the parts of the help."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from tandem.cli.completion import pipeline_names, profile_names
from tandem.cli.context import CommandContext
from tandem.cli.verbose import print_commands
from tandem.errors import TandemError

RUN, INSPECT, AUTHOR, CLOUD = "Run", "Inspect", "Author", "Cloud"

P = ParamSpec("P")


def examples(*commands: str) -> str:
    """Returns the last part of a command's help: example commands, one a line."""
    return "\n".join(("Examples:", *(f"  {command}" for command in commands)))


def with_context(command: Callable[Concatenate[CommandContext, P], None]) -> Callable[..., None]:
    """Returns the command with the shared options.

    They fill its first argument, the context.
    """

    @functools.wraps(command)
    def wrapper(context: typer.Context, *, profile: Any, pipeline: Any, debug: bool, verbose: bool, **own: Any) -> None:
        command_context = context.ensure_object(CommandContext)
        # The same options may also stand before the command's name; the last one wins.
        command_context.profile = command_context.profile if profile is None else profile
        command_context.pipeline = command_context.pipeline if pipeline is None else pipeline
        command_context.debug = command_context.debug or debug
        if verbose:
            print_commands()
        try:
            command(command_context, **own)  # type: ignore[call-arg]  # Typer passes the command's parameters by name
        except TandemError as error:
            error.args, error.hint = (command_context.told(str(error)),), command_context.told(error.hint)
            raise

    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    shared = inspect.signature(_shared, eval_str=True).parameters.values()
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*shared, *own)]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads it
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
    return wrapper


def _shared(
    context: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Profile to use; default: TANDEM_PROFILE, the running one, local if Docker answers, else embedded.",
            autocompletion=profile_names,
            rich_help_panel="Shared options",
        ),
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            help="Pipeline to act on; separate several with commas; default: TANDEM_PIPELINE, else profiles.toml's.",
            autocompletion=pipeline_names,
            rich_help_panel="Shared options",
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the stack trace of an error.", rich_help_panel="Shared options")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print the commands that Tandem runs.", rich_help_panel="Shared options")
    ] = False,
) -> None:
    """Declares the options that every command takes."""
