"""Commands that start and stop an environment: ``up``, ``down``, ``submit``."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from tandem.cli.context import CommandContext
from tandem.cli.options import RUN, with_context
from tandem.cli.protection import Confirm, confirm, confirm_version
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.platforms import service_checks
from tandem.platforms.base import DeployedJob

app = typer.Typer()


@app.command(rich_help_panel=RUN)
@with_context
def up(
    context: CommandContext,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the job has committed its first batch.")] = False,
    name: Confirm = None,
) -> None:
    """Start Kafka, MongoDB, the dashboard and the job. Services that already run are left alone."""
    context.check_conflicts()
    if isinstance(context.job, DeployedJob):
        # There, it replaces a job of another version.
        confirm_version(context, name)
    context.for_each_job(lambda job: job.submit(), titles=False)
    if wait:
        context.for_each_job(lambda job: job.wait_until_ready())
        warn_of_topics(context)
    status = context.job.status()
    context.say(f"Kafka     {status['kafka']['bootstrap']}")
    context.say(f"MongoDB   {status['mongo']['uri']}  database {status['mongo']['database']}")
    if url := status["dashboard"]["url"]:
        why = status["dashboard"]["problem"]
        context.say(f"dashboard {url}{f' is not available: {why}' if why else ''}")
    for job in context.jobs:
        state = job.status()["job"]["state"]
        shown = f"{job.settings.pipeline}: {state}" if len(context.jobs) > 1 else state
        context.say(f"job       {shown}")
    context.say("run `tandem status` to see progress, `tandem down` to stop")


@app.command(rich_help_panel=RUN)
@with_context
def down(
    context: CommandContext,
    volumes: Annotated[bool, typer.Option("--volumes", help="Also delete topics, database and checkpoint.")] = False,
    name: Confirm = None,
) -> None:
    """Stop the environment. Topics, database and checkpoint are kept unless --volumes is given.

    With --pipeline, stop only that pipeline's job while other pipelines run. To delete a protected profile's data, type
    its name, or use --confirm.
    """
    if context.settings.backend == "dataproc":
        raise UsageError("`down` is not available for cloud profiles", hint="use `tandem destroy`")
    named = context.pipelines if context.pipeline else []
    others = [each for each in context.environment.pipelines() if each not in named] if named else []
    if others and volumes:
        raise UsageError(
            f"`--volumes` would also delete the topics, database and checkpoint of {', '.join(others)}",
            hint="to stop all pipelines and delete their data, run `tandem down --volumes` without --pipeline",
        )
    if volumes:
        confirm(context, f"delete topics, database and checkpoint of {context.environment.where()}", name)
    if others:
        context.for_each_job(lambda job: job.stop())
        context.say(f"stopped; still running: {', '.join(others)}")
        return
    # Its name may follow from what is about to be removed.
    where = context.environment.where()
    done = context.environment.stop(volumes=volumes)
    result = "stopped" if done.ran else f"nothing is running here: looked for {where}"
    if volumes:
        result += f"; deleted {done.deleted}" if done.deleted else "; there was no data to delete"
    context.say(result)


@app.command(rich_help_panel=RUN)
@with_context
def submit(context: CommandContext, name: Confirm = None) -> None:
    """Restart the job after its current batch, with the current code and the same checkpoint.

    For a protected profile, a version that could not be checked against the checkpoint needs the profile's name.
    """
    confirm_version(context, name)
    context.for_each_job(lambda job: job.restart())
    warn_of_topics(context)
    context.say("the job is running")


def warn_of_topics(context: CommandContext) -> None:
    """Warns of problems with the pipelines' topics, with the commands that fix them."""
    for job in context.jobs:
        for check in (service_checks.record_times, service_checks.uncompacted):
            try:
                # A service that does not answer yet is skipped; `tandem doctor` checks it later.
                with suppress(EnvironmentNotReadyError):
                    check(job.settings)
            except TandemError as error:
                context.say(f"warning: {error}\nhint: {error.hint}")
