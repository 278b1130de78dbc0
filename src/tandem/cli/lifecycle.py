"""``up``, ``down``, ``submit``: start and stop an environment."""

from __future__ import annotations

from typing import Annotated

import typer

from tandem.cli.session import Session
from tandem.errors import UsageError


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(up)
    app.command()(down)
    app.command()(submit)


def up(
    context: typer.Context,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the job has committed its first batch.")] = False,
) -> None:
    """Start everything but the producers. Starting what runs already changes nothing."""
    session: Session = context.obj
    session.platform.up(wait=wait)
    status = session.platform.status()
    session.say(f"Kafka    {status['kafka']['bootstrap']}")
    session.say(f"MongoDB  {status['mongo']['uri']}  database {status['mongo']['database']}")
    if url := status["dashboard"]["url"]:
        session.say(f"page     {url}")
    session.say(f"job      {status['job']['state']}; `tandem status` shows more, `tandem down` stops everything")


def down(
    context: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", help="Also forget topics, database and checkpoint.")] = False,
) -> None:
    """Stop everything. Topics, database and checkpoint are kept unless told otherwise."""
    session: Session = context.obj
    if session.settings.backend == "dataproc":
        raise UsageError("in the cloud nothing is stopped without a question", hint="`tandem destroy` asks it")
    session.platform.down(volumes=volumes)
    session.say("stopped" + (", and everything it kept is gone" if volumes else ""))


def submit(context: typer.Context) -> None:
    """Stop the job after its batch and start it again with the code as it is now, on the same checkpoint."""
    session: Session = context.obj
    session.platform.restart_job()
    session.say("the job runs")
