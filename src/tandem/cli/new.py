"""The command ``new``, which creates a pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from tandem.cli.options import AUTHOR, with_session
from tandem.cli.session import Session
from tandem.scaffold import Format, write
from tandem.settings.load import own_pipelines

app = typer.Typer()


@app.command(rich_help_panel=AUTHOR)
@with_session
def new(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the pipeline: its folder, and the prefix of its topics.")],
    values: Annotated[Format, typer.Option("--format", help="Format of the records' values.")] = Format.JSON,
) -> None:
    """Create a pipeline in pipelines/ that runs at once and that you can change.

    The example joins requests with their responses and comes with tests. With --format avro, its folder schemas/ holds
    the schemas.
    """
    location = write(name, own_pipelines(), values)
    print(location.folder)
    session.say(f"run it with `tandem --pipeline {name} run`, test it with `pytest {location.folder}`")
    session.say("begin with streams.py")
