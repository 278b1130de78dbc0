"""``new``: begin a pipeline of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from tandem.cli.session import Session
from tandem.scaffold import Format, write
from tandem.settings.load import own_pipelines


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(new)


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The folder, and what topics and collections are named after.")],
    values: Annotated[Format, typer.Option("--format", help="What the records' values are.")] = Format.JSON,
) -> None:
    """Write a pipeline that runs at once, to be changed: a folder in pipelines/.

    It joins requests with their responses: schemas, transform, sample records, oracle and tests. With --format avro the
    schemas are files in its folder schemas/.
    """
    session: Session = context.obj
    location = write(name, own_pipelines(), values)
    print(location.folder)
    session.say(f"`tandem --pipeline {name} run` runs it, `pytest {location.folder}` tests it; begin with streams.py")
