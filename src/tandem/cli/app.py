"""All commands of the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from tandem import __version__
from tandem.cli import (
    bench,
    cloud,
    dev,
    doctor,
    init,
    inspect,
    lifecycle,
    new,
    profile,
    records,
    replay,
    schemas,
    shell,
)
from tandem.cli.context import CommandContext
from tandem.cli.options import examples, with_context

app = typer.Typer(
    name="tandem",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=examples("tandem run", "tandem up --wait", "tandem status --watch", "tandem COMMAND --help"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
# The help shows the commands in this order.
for module in (lifecycle, records, replay, inspect, profile, doctor, bench, init, new, dev, schemas, shell, cloud):
    app.add_typer(module.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tandem {__version__}")
        raise typer.Exit


@app.callback()
@with_context
def _root(
    _: CommandContext,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Run Kafka, Spark and MongoDB pipelines on a laptop and in the cloud."""
