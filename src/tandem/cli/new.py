"""The command ``new``, which creates a pipeline."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from tandem.catalog import find
from tandem.checkout import project_root
from tandem.cli.context import CommandContext
from tandem.cli.options import AUTHOR, with_context
from tandem.errors import UsageError
from tandem.progress_display import work_shown
from tandem.scaffold import Format, write
from tandem.scaffold.chosen import SECOND_OPTIONS, Choice
from tandem.scaffold.from_records import Request, write_from
from tandem.scaffold.joining import NO_CHOICE, JoinChoice
from tandem.scaffold.workflows import CiService, write_workflows
from tandem.settings.load import own_pipelines, read_settings

app = typer.Typer()
_RECORDS = "From records"


@app.command(rich_help_panel=AUTHOR)
@with_context
def new(
    context: CommandContext,
    name: Annotated[
        str | None, typer.Argument(help="Name of the pipeline: its folder, and the prefix of its topics.")
    ] = None,
    values: Annotated[Format, typer.Option("--format", help="Format of the records' values.")] = Format.JSON,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Declare a stream from this file: sample records in JSON, a JSON Schema, an Avro schema or a Protobuf "
            "file; or from topic:NAME.",
            rich_help_panel=_RECORDS,
        ),
    ] = None,
    join: Annotated[
        str | None,
        typer.Option("--join", metavar="FILE", help="Join it with a stream from this file.", rich_help_panel=_RECORDS),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="FIELD",
            help="Join on this field; FIELD=FIELD if the names differ.",
            rich_help_panel=_RECORDS,
        ),
    ] = None,
    identity: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            metavar="FIELD",
            help="Field of --from that identifies a record, or record:key; repeat it for several fields.",
            rich_help_panel=_RECORDS,
        ),
    ] = None,
    event_time: Annotated[
        str | None,
        typer.Option(
            "--time", metavar="FIELD", help="Field with its time, or record:timestamp.", rich_help_panel=_RECORDS
        ),
    ] = None,
    join_identity: Annotated[
        list[str] | None,
        typer.Option("--join-id", metavar="FIELD", help="The same as --id, of --join.", rich_help_panel=_RECORDS),
    ] = None,
    join_time: Annotated[
        str | None,
        typer.Option("--join-time", metavar="FIELD", help="The same as --time, of --join.", rich_help_panel=_RECORDS),
    ] = None,
    service: Annotated[
        CiService | None, typer.Option("--ci", help="Write workflows that test and deploy, instead of a pipeline.")
    ] = None,
) -> None:
    """Create a pipeline in pipelines/ that runs at once.

    Without --from, the example joins requests with their responses. With --format avro, its folder schemas/ holds the
    schemas. The pipeline comes with tests. With --ci github, write workflows for --pipeline and --profile instead.
    """
    if service is not None:
        _write_workflows(context, name)
        return
    if name is None:
        raise UsageError("the name of the pipeline is missing", hint="tandem new page_views")
    second = Choice(tuple(join_identity or ()), join_time, options=SECOND_OPTIONS)
    choice = JoinChoice(first=Choice(tuple(identity or ()), event_time), second=second, on=on)
    if source is None:
        if join is not None or choice != NO_CHOICE:
            raise UsageError("--join, --on, --id and --time need --from", hint="--from orders.jsonl")
        location = write(name, own_pipelines(), values)
    else:
        if join is None and (on is not None or choice.second != NO_CHOICE.second):
            raise UsageError("--on, --join-id and --join-time need --join", hint="--join payments.jsonl")
        request = Request(source, join, choice, values)
        with work_shown(f"reading {source}"):
            location, notes = write_from(
                name,
                own_pipelines(),
                request,
                kafka=lambda: context.settings.kafka,
                now_ms=time.time_ns() // 1_000_000,
            )
        for note in notes:
            context.say(note)
    print(location.folder)
    context.say(f"run it with `tandem --pipeline {name} run`, test it with `pytest {location.folder}`")
    context.say("begin with streams.py")


def _write_workflows(context: CommandContext, name: str | None) -> None:
    if name is not None:
        raise UsageError("--ci creates no pipeline", hint=f"tandem --pipeline {name} new --ci github")
    loaded = read_settings(context.profile or "gcp", {"pipeline": context.pipeline} if context.pipeline else None)
    if loaded.settings.backend != "dataproc":
        raise UsageError(f"the profile {loaded.settings.profile} cannot be deployed", hint="name one that is like gcp")
    folder = loaded.settings.pipelines_dir
    verified = [name for name in loaded.pipelines if find(name, folder).has("generator", "oracle")]
    for file in write_workflows(project_root(), loaded.pipelines, verified, loaded.settings.profile):
        print(file)
    for name in loaded.pipelines:
        if name not in verified:
            context.say(f"the workflow does not run {name}, which has no generator.py or no oracle.py")
    context.say("docs/guides/ci.md lists the variables and secrets that they need")
