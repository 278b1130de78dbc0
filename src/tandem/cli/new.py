"""The command ``new``, which creates a pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from tandem.cli.context import CommandContext
from tandem.cli.options import AUTHOR, with_context
from tandem.scaffold import Format, write
from tandem.settings.load import own_pipelines

app = typer.Typer()


@app.command(rich_help_panel=AUTHOR)
@with_context
def new(
    context: CommandContext,
    name: Annotated[str, typer.Argument(help="Name of the pipeline: its folder, and the prefix of its topics.")],
    values: Annotated[Format, typer.Option("--format", help="Format of the records' values.")] = Format.JSON,
) -> None:
    """Create a pipeline in pipelines/ that runs at once.

    The example joins requests with their responses and comes with tests. With --format avro, its folder schemas/ holds
    the schemas.
    """
    location = write(name, own_pipelines(), values)
    print(location.folder)
    context.say(f"run it with `tandem --pipeline {name} run`, test it with `pytest {location.folder}`")
    context.say("begin with streams.py")
