"""The modules of the commands, and a command line of some of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated

import typer

from tandem import __version__
from tandem.cli.context import CommandContext
from tandem.cli.options import examples, with_context

# Each module's commands and groups. The help shows them in this order.
MODULES = {
    "lifecycle": ("up", "down", "submit"),
    "records": ("run", "produce", "verify", "reconcile"),
    "replay": ("replay", "diff"),
    "inspect": ("status", "logs", "config"),
    "profile": ("profile",),
    "doctor": ("doctor",),
    "bench": ("bench",),
    "init": ("init",),
    "new": ("new",),
    "dev": ("dev",),
    "schemas": ("schemas",),
    "shell": ("shell",),
    "cloud": ("deploy", "destroy", "parity"),
}


# The shared options, which may stand before the command, that take a value.
WITH_VALUE = ("--profile", "--pipeline")


def modules_for(arguments: Sequence[str]) -> list[str]:
    """Returns the module of the command among the arguments.

    Returns all modules if there is none, as for the help. To import all of them takes a quarter of a second.
    """
    rest = iter(arguments)
    for argument in rest:
        if argument in WITH_VALUE:
            next(rest, None)
        elif argument in ("--help", "-h"):
            break
        elif not argument.startswith("-"):
            return [module for module, names in MODULES.items() if argument in names] or list(MODULES)
    return list(MODULES)


def command_line(modules: Iterable[str]) -> typer.Typer:
    """Returns the command line with the commands of these modules."""
    app = typer.Typer(
        name="tandem",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        epilog=examples("tandem run", "tandem up --wait", "tandem status --watch", "tandem COMMAND --help"),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in modules:
        app.add_typer(import_module(f"tandem.cli.{module}").app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tandem {__version__}")
        raise typer.Exit


@with_context
def _root(
    _: CommandContext,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Run Kafka, Spark and MongoDB pipelines on a laptop and in the cloud."""
