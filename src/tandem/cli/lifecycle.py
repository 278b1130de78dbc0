"""``up``, ``down``, ``submit``: start and stop an environment."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from tandem.cli.session import Session
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.platforms import services


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
    session.check_conflicts()
    session.for_each_job(lambda job: job.submit(), titles=False)
    if wait:
        session.for_each_job(lambda job: job.wait_until_ready())
        warn_of_topics(session)
    status = session.job.status()
    session.say(f"Kafka    {status['kafka']['bootstrap']}")
    session.say(f"MongoDB  {status['mongo']['uri']}  database {status['mongo']['database']}")
    if url := status["dashboard"]["url"]:
        why = status["dashboard"]["problem"]
        session.say(f"page     {url}{f' is not available: {why}' if why else ''}")
    for job in session.jobs:
        state = job.status()["job"]["state"]
        told = f"{job.settings.pipeline}: {state}" if len(session.jobs) > 1 else state
        session.say(f"job      {told}; `tandem status` shows more, `tandem down` stops everything")


def down(
    context: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", help="Also forget topics, database and checkpoint.")] = False,
) -> None:
    """Stop everything. Topics, database and checkpoint are kept unless told otherwise.

    With --pipeline, where others run besides: stop the job of that one alone.
    """
    session: Session = context.obj
    if session.settings.backend == "dataproc":
        raise UsageError("in the cloud nothing is stopped without a question", hint="`tandem destroy` asks it")
    named = session.pipelines if session.pipeline else []
    others = [name for name in session.environment.pipelines() if name not in named] if named else []
    if others and volumes:
        raise UsageError(
            f"{', '.join(others)} would lose topics, database and checkpoint, too",
            hint="without --pipeline, `tandem down --volumes` stops all and forgets all",
        )
    if others:
        session.for_each_job(lambda job: job.stop())
        session.say(f"stopped; {', '.join(others)} still runs")
        return
    ran = session.environment.stop(volumes=volumes)
    told = "stopped" if ran else f"nothing is running here: looked for {session.environment.where()}"
    session.say(told + (", and everything it kept is gone" if volumes else ""))


def submit(context: typer.Context) -> None:
    """Stop the job after its batch and start it again with the code as it is now, on the same checkpoint."""
    session: Session = context.obj
    session.for_each_job(lambda job: job.restart())
    warn_of_topics(session)
    session.say("the job runs")


def warn_of_topics(session: Session) -> None:
    """Warns of problems with the pipelines' topics, with the commands that fix them."""
    for job in session.jobs:
        for check in (services.record_times, services.uncompacted):
            try:
                # What does not answer yet is not examined; `tandem doctor` examines it later.
                with suppress(EnvironmentNotReadyError):
                    check(job.settings)
            except TandemError as error:
                session.say(f"warning: {error}\nhint: {error.hint}")
