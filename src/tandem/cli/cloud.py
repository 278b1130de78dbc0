"""Commands for the cloud: ``deploy``, ``destroy``, ``parity``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer

from tandem.cli.context import CommandContext
from tandem.cli.interruption import changes_explained
from tandem.cli.lifecycle import warn_of_topics
from tandem.cli.options import CLOUD, examples, with_context
from tandem.cli.protection import Confirm, check_apart, confirm, confirm_version
from tandem.cli.question import answer
from tandem.errors import TandemError, UsageError
from tandem.platforms.base import DeployedJob, Job
from tandem.platforms.conflicts import check_conflicts
from tandem.platforms.dataproc import check_libraries
from tandem.platforms.dataproc.release import folder_of
from tandem.platforms.parity import parity as compared
from tandem.platforms.removal import own_collections, own_topics
from tandem.progress_display import work_shown
from tandem.settings.loaded import LoadedSettings, require
from tandem.settings.model import Settings
from tandem.settings.profiles import profiles
from tandem.settings.protection import check_unshared

app = typer.Typer()


@app.command(
    rich_help_panel=CLOUD, epilog=examples("tandem --profile gcp deploy --plan", "tandem --profile gcp deploy")
)
@with_context
def deploy(
    context: CommandContext,
    plan: Annotated[bool, typer.Option("--plan", help="Print every call and its cost; change nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Return when the job has committed its first batch.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON (with --plan).")] = False,
    name: Confirm = None,
) -> None:
    """Upload the job and run it on Google Cloud.

    Tandem uploads the job's package and jars, creates missing resources, and submits the job. Several pipelines get a
    job each, on the same cluster.
    """
    if as_json and not plan:
        raise UsageError("--json is for the plan only", hint="`tandem deploy --plan --json`")
    if plan:
        _in_the_cloud(context.shown_settings)
        for loaded in context.loaded_each:
            _show_plan(context, loaded, as_json=as_json)
        return
    _in_the_cloud(context.settings)
    context.check_conflicts()
    confirm_version(context, name)
    with changes_explained(context, "deploy"):
        context.for_each_job(lambda job: _deploy(job, wait))
        warn_of_topics(context)
    deployed = [job.changes.job for job in context.jobs if isinstance(job, DeployedJob)]
    state = "the job is running" if wait else "; ".join(deployed)
    stops = f"`tandem destroy` stops it{' and its costs' if context.settings.billed else ''}"
    context.say(f"{state}; `tandem status` shows its progress, {stops}")


@app.command(
    rich_help_panel=CLOUD, epilog=examples("tandem --profile gcp destroy", "tandem --profile gcp destroy --data")
)
@with_context
def destroy(
    context: CommandContext,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Annotated[
        bool, typer.Option("--data", help="Also delete topics, collections, checkpoint and uploads permanently.")
    ] = False,
    name: Confirm = None,
) -> None:
    """Stop the job, delete its cluster and keep its data.

    The job finishes its current batch first. Its reconciliation or replay is cancelled. With --data, also delete
    topics, collections, checkpoint and uploads, but not topics of external streams and collections of lookups. For a
    protected profile, type its name or use --confirm; --yes is not enough.
    """
    settings = context.settings
    _in_the_cloud(settings)
    # Before the question, which names the project and the bucket.
    require(settings, settings.needed_to_deploy)
    pipelines = ", ".join(context.pipelines)
    if_any = ", if there is one and" if settings.gcp.serverless else ","
    cluster = f"its cluster {settings.gcp.cluster}{if_any} unless other jobs run on it,"
    what = f"the job of {pipelines}, its reconciliation or replay if one runs, and {cluster} in {settings.gcp.project}"
    if data:
        what += f", and permanently delete {'; '.join(_data_of(job.settings) for job in context.jobs)}"
        check_apart(context, f"destroy {what}")
    confirmed = confirm(context, f"destroy {what}", name) is not None
    if not (yes or confirmed):
        _ask(f"destroy {what}?")
    stopped = deleted = False

    def stop(job: Job) -> None:
        nonlocal stopped, deleted
        stopped |= job.stop()
        if data and isinstance(job, DeployedJob):
            with work_shown("deleting the data"):
                for part in job.forget():
                    # At once, because a later deletion may fail.
                    context.say(f"deleted {part}")
                    deleted = True

    with changes_explained(context, "destroy --data" if data else "destroy"):
        context.for_each_job(stop)
    done = "destroyed" if stopped else "there was no job or cluster to destroy"
    kept = "topics, collections and checkpoint are kept" if not data else "there was no data to delete"
    context.say(done if deleted else f"{done}; {kept}")


def _ask(question: str) -> None:
    """Raises if the user does not agree.

    Raises:
        UsageError: the answer is another one than yes, or there is no terminal.
    """
    if (answer(f"{question} [y/N]: ") or "").strip().lower() not in ("y", "yes"):
        raise UsageError("not confirmed, so nothing was changed", hint="answer y, or use --yes")


def _deploy(job: Job, wait: bool) -> None:
    job.submit()
    if wait:
        job.wait_until_ready()


def _data_of(settings: Settings) -> str:
    """Returns what ``destroy --data`` deletes of a pipeline, as part of a question."""
    topics, collections = own_topics(settings.location), own_collections(settings.location)
    return (
        f"the topics {', '.join(topics)} in {settings.kafka.bootstrap}, the collections {', '.join(collections)} of "
        f"{settings.mongo.database} in {settings.mongo.uri}, and gs://{settings.gcp.bucket}/{folder_of(settings)}"
    )


@app.command(rich_help_panel=CLOUD, epilog=examples("tandem parity", "tandem parity --json"))
@with_context
def parity(
    context: CommandContext,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare the job's versions with those of the cloud.

    Exit with 1 on any difference.
    """
    comparison = compared(context.settings)
    if as_json:
        print(json.dumps({"lines": comparison.lines, "differences": comparison.differences}))
    else:
        for line in (("component", "job", "cloud"), *comparison.lines):
            print("\t".join(line))
    if comparison.differences:
        raise TandemError(
            f"the job does not run on {comparison.wanted.name}: {'; '.join(comparison.differences)}",
            hint=f"{comparison.wanted.name} is Dataproc's version {comparison.wanted.image}; "
            "containers use that of clusters",
        )


def _in_the_cloud(settings: Settings) -> None:
    if settings.backend not in ("dataproc", "rehearsal"):
        raise UsageError(
            f"the profile {settings.profile} runs on this machine and cannot be deployed",
            hint="use `tandem up` and `tandem down`, or --profile gcp",
        )


def _show_plan(context: CommandContext, loaded: LoadedSettings, *, as_json: bool) -> None:
    check_libraries("gcp")
    from tandem.platforms.dataproc.costs import notes
    from tandem.platforms.dataproc.memory import note
    from tandem.platforms.dataproc.plan import calls, warnings
    from tandem.platforms.dataproc.release import release

    settings = loaded.shown()
    made = release(settings)
    planned, costs = list(calls(settings, made)), list(notes(settings))
    missing, warned = loaded.missing, [*warnings(settings), *_refusals(context, loaded)]
    if as_json:
        plan: dict[str, Any] = {"release": made.digest, "calls": [asdict(call) for call in planned]}
        plan |= {"memory": note(settings), "costs": costs, "warnings": warned, "not_set": missing}
        print(json.dumps(plan))
        return
    print(f"release {made.digest} of {settings.pipeline}")
    for number, call in enumerate(planned, 1):
        print(f"{number:>3}. {call.service} {call.method}{f' ({call.when})' if call.when else ''}")
        lines = json.dumps(call.about, indent=2).splitlines()
        # Without the braces of the outermost object.
        print("\n".join(f"     {line[2:]}" for line in lines[1:-1]))
    print(note(settings))
    free = "" if settings.billed else "; the stand-ins cost nothing"
    print(f"approximate costs, by the list prices of us-central1{free}:")
    print("\n".join(f"  - {line}" for line in costs))
    for warning in warned:
        print(context.told(f"warning: {warning}"))
    if missing:
        own = profiles()[settings.profile].file
        table = f" or [profile.{settings.profile}] of {own.name}" if own else ""
        print(f"to deploy, set these in .env.{settings.profile}{table}: {', '.join(missing)}")
    context.say("plan only: nothing was called or changed")


def _refusals(context: CommandContext, loaded: LoadedSettings) -> Iterator[str]:
    """Yields why ``deploy`` would refuse, as far as this is known without a call."""
    from tandem.platforms.dataproc.secret_check import JOB_PASSWORDS, check_reference

    settings = loaded.shown()
    checks: list[Callable[[], None]] = [
        lambda: check_conflicts([each.shown() for each in context.loaded_each]),
        lambda: check_unshared(settings, "start a job there"),
    ]
    checks += [partial(check_reference, settings, each) for each in JOB_PASSWORDS if each not in loaded.missing]
    for check in checks:
        try:
            check()
        except UsageError as error:
            yield f"`tandem deploy` would refuse: {error}; {error.hint}"
