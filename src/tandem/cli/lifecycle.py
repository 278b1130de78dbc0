"""Commands that start and stop an environment: ``up``, ``down``, ``submit``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Annotated, Any

import typer

from tandem.cli.context import CommandContext
from tandem.cli.interruption import LocalState, changes_explained
from tandem.cli.options import RUN, examples, with_context
from tandem.cli.protection import Confirm, confirm, confirm_version
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.platforms import service_checks
from tandem.platforms.base import DeployedJob
from tandem.platforms.running import running
from tandem.progress_display import work_shown
from tandem.settings.load import chosen_profile

_STARTING = LocalState("services and jobs may be running", "`tandem up` continues, `tandem down` stops them")
_RESTARTING = LocalState("the job may have stopped, or be restarting", "`tandem status` shows its state")

app = typer.Typer()


@app.command(
    rich_help_panel=RUN, epilog=examples("tandem up", "tandem up --wait", "tandem --pipeline orders_payments up")
)
@with_context
def up(
    context: CommandContext,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the job has committed its first batch.")] = False,
    name: Confirm = None,
) -> None:
    """Start Kafka, MongoDB, the dashboard and the job.

    Services that already run are not restarted.
    """
    context.check_conflicts()
    if isinstance(context.job, DeployedJob):
        # In the cloud, `up` replaces a job of another version.
        confirm_version(context, name)
    with changes_explained(context, "up", local=_STARTING):
        context.for_each_job(lambda job: job.submit(), titles=False)
        if wait:
            context.for_each_job(lambda job: job.wait_until_ready())
            warn_of_topics(context)
        statuses = [job.status() for job in context.jobs]
    status = statuses[0]
    context.say(f"Kafka     {status['kafka']['bootstrap']}")
    context.say(f"MongoDB   {status['mongo']['uri']}  database {status['mongo']['database']}")
    stop = "destroy" if isinstance(context.job, DeployedJob) else "down"
    for line in last_lines(statuses, stop=stop, command=context.command):
        context.say(line)


def last_lines(statuses: Sequence[Mapping[str, Any]], *, stop: str, command: Callable[[str], str]) -> list[str]:
    """Returns the last lines of ``up``: ready, dashboard, logs and stop.

    Args:
        statuses: the status of each job, the first named one first.
        stop: the command that stops the environment.
        command: returns a command with its options, see ``CommandContext.command``.
    """
    lines = []
    for status in statuses:
        name = f"{status['pipeline']}: " if len(statuses) > 1 else ""
        state = (
            "yes" if status["ready"] else f"not yet, the job is {status['job']['state']}; see `tandem status --watch`"
        )
        lines.append(f"ready     {name}{state}")
    if url := statuses[0]["dashboard"]["url"]:
        why = statuses[0]["dashboard"]["problem"]
        lines.append(f"dashboard {url}{f' is not available: {why}' if why else ''}")
    return [*lines, f"logs      {command('logs --follow')}", f"stop      {command(stop)}"]


@app.command(rich_help_panel=RUN, epilog=examples("tandem down", "tandem down --volumes"))
@with_context
def down(
    context: CommandContext,
    volumes: Annotated[bool, typer.Option("--volumes", help="Also delete topics, databases and checkpoints.")] = False,
    name: Confirm = None,
) -> None:
    """Stop the environment and keep its data.

    With --volumes, also delete the topics, databases and checkpoints of all its pipelines. If nothing runs, this needs
    --profile. With --pipeline, stop only that pipeline's job while other pipelines run. To delete a protected
    profile's data, type its name, or use --confirm.
    """
    if volumes and chosen_profile(context.profile) is None and not running():
        # A default would depend on whether a Docker engine answers now.
        raise UsageError(
            "nothing runs here, so name the environment whose data to delete",
            hint="`tandem --profile embedded down --volumes`, or --profile local for containers",
        )
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
    # Read first, because the name may depend on data that is about to be removed.
    where = context.environment.where()
    done = context.environment.stop(volumes=volumes)
    result = "stopped" if done.ran else f"nothing is running here: looked for {where}"
    if volumes:
        result += f"; deleted {done.deleted}" if done.deleted else "; there was no data to delete"
    context.say(result)


@app.command(rich_help_panel=RUN, epilog=examples("tandem submit"))
@with_context
def submit(context: CommandContext, name: Confirm = None) -> None:
    """Restart the job with the current code and the same checkpoint.

    The job finishes its current batch first. If the profile is protected and the new version cannot be checked against
    the checkpoint, type the profile's name, or use --confirm.
    """
    confirm_version(context, name)
    with changes_explained(context, "submit", local=_RESTARTING):
        context.for_each_job(lambda job: job.restart())
        warn_of_topics(context)
    context.say("the job is running")


def warn_of_topics(context: CommandContext) -> None:
    """Warns of problems with the pipelines' topics, with the commands that fix them."""
    for job, check in product(context.jobs, (service_checks.record_times, service_checks.uncompacted)):
        try:
            # A service that does not answer yet is skipped: `tandem doctor` checks it later.
            with suppress(EnvironmentNotReadyError), work_shown("checking the topics"):
                check(job.settings)
        except TandemError as error:
            context.say(f"warning: {error}\nhint: {error.hint}", job)
