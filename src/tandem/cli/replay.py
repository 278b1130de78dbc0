"""Commands that process records again, and compare the results: ``replay``, ``diff``."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from typing import Annotated, Any

import typer

from tandem.catalog import declared_by
from tandem.cli.batch_report import counts_in, records_in
from tandem.cli.context import CommandContext
from tandem.cli.interruption import changes_explained
from tandem.cli.moment import moment
from tandem.cli.options import RUN, examples, with_context
from tandem.cli.protection import Confirm, check_apart, confirm
from tandem.cli.replay_progress import progress_of_replay
from tandem.cli.verification import SETTLE_SECONDS, check, compared, compared_set, steps_in
from tandem.engine.declare.collection_set import name_beside
from tandem.engine.declare.replay_range import NEVER_MS, ReplayRange
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms import Job
from tandem.platforms.progress import progress_of
from tandem.platforms.provision import create_collections, database_of
from tandem.progress_display import progress, work_shown
from tandem.replay import diff_report
from tandem.replay.repeated import continued
from tandem.replay.resolve import margin_of, milliseconds, range_of
from tandem.replay.running_replay import check_none_runs
from tandem.replay.sets import announce, check_free, check_replayed, check_suffix, replayed
from tandem.replay.topic_offsets import Committed, offsets_in
from tandem.settings.model import Settings
from tandem.verify.oracle import load_oracle
from tandem.verify.report import show
from tandem.verify.step_progress import nothing

app = typer.Typer()
# A century: longer than any topic is old.
_LONGEST_MARGIN_S = 100 * 366 * 86_400
# The settings that decide which documents records imply. In the job's own collections they are its checkpoint's.
_OF_A_SET = {"parameters", "lateness_seconds", "max_clock_skew_seconds"}


@app.command(
    rich_help_panel=RUN,
    epilog=examples("tandem replay --since 2h", "tandem replay --since 2026-11-29T10:00 --into v2"),
)
@with_context
def replay(
    context: CommandContext,
    since: Annotated[
        str, typer.Option(help="Begin of the range by Kafka's timestamps: 90s, 10m, 2h, 7d or an ISO 8601 time.")
    ],
    until: Annotated[
        str | None, typer.Option(help="End of the range, as for --since (default: the last record).")
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(metavar="SUFFIX", help="Write collections with this suffix beside the pipeline's own ones."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=_LONGEST_MARGIN_S,
            help="How far event times of partners may differ, in seconds (default: the sum of such parameters).",
        ),
    ] = None,
    checks: Annotated[bool, typer.Option("--verify/--no-verify", help="Verify the collections afterwards.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    name: Confirm = None,
) -> None:
    """Process a range of records again.

    The transform runs as a batch and writes the range's documents again. It is safe to run beside the job, and to run
    again. It writes no dead letters.
    """
    begin = moment(since, "--since")
    end = None if until is None else moment(until, "--until")
    if end is not None and begin >= end:
        raise UsageError("--since must be before --until", hint="both are durations before now, or times")
    check_apart(context, "change documents there")
    if into is None:
        confirm(context, "replace documents", name)
    else:
        _check_suffix(context, into)
    with changes_explained(context, f"replay --into {into}" if into else "replay"):
        context.for_each_job(
            lambda job: replay_and_verify(context, job, begin, end, into or "", margin, checks=checks, as_json=as_json)
        )


def replay_and_verify(
    context: CommandContext,
    job: Job,
    since: datetime,
    until: datetime | None,
    into: str,
    margin: float | None,
    *,
    checks: bool,
    as_json: bool,
) -> None:
    """Replays a range of a pipeline's records, and verifies its documents.

    Args:
        context: the command's settings and output.
        job: the pipeline's job.
        since: the begin of the range.
        until: its end; None for the job's last commit.
        into: the suffix of other collections; empty for the pipeline's own.
        margin: how far event times of partners may differ, in seconds; None for the sum of the parameters.
        checks: whether to verify.
        as_json: whether to print the report as JSON.
    """
    settings = job.settings
    if checks:
        load_oracle(settings.location)  # reports a missing one before anything starts
    with database_of(settings.mongo, "read the replays") as database:
        check_none_runs(database, settings.pipeline)
    with work_shown("looking for the range's records"):
        span = _range(settings, since, until, into, margin)
    number = sum(behind - first for each in span.offsets.values() for first, behind in each.values())
    again = ", those of the interrupted replay" if span.since_ms != milliseconds(since) else ""
    context.say(f"replaying {number} records into {_target(settings, into)}{again}")
    if span.complete_ms == NEVER_MS:
        context.say(
            "producers date the records, so it is unknown which ones Kafka has removed: only pairs get documents, and "
            "no unmatched events or windows"
        )
    if into:
        with database_of(settings.mongo, "store the range") as database:
            announce(database, settings.pipeline, span)
        indexes = {name_beside(each.name, into): each.indexes for each in declared_by(settings.location).collections}
        create_collections(settings.mongo, indexes)
    with work_shown("replaying"), progress() as display, progress_of_replay(settings, into, display):
        report = job.replay(span)
    if not as_json:
        for line in (*records_in(report), *counts_in(report)):
            print(line)
    if not checks:
        _print_json(report, wanted=as_json)
        return
    context.say("comparing MongoDB with the topics")
    verification = compared_set(job, into) if into else compared(job, SETTLE_SECONDS)
    if not as_json:
        show(verification, context.out)
    _print_json({**report, "verify": verification.to_json()}, wanted=as_json)
    check(verification)


def _check_suffix(context: CommandContext, suffix: str) -> None:
    for job in context.jobs:
        check_suffix(job.settings.location, job.settings.mongo.database, suffix)


def _range(
    settings: Settings, since: datetime, until: datetime | None, into: str, margin_s: float | None
) -> ReplayRange:
    margin = margin_of(settings.job.parameters, settings.job.max_clock_skew_seconds, margin_s)
    committed, watermark_ms = (None, None) if into else _committed(settings)
    partitions = [*offsets_in(settings, since=since, until=until, margin_s=margin.read_s, committed=committed)]
    span = range_of(partitions, since=since, margin=margin, into=into, watermark_ms=watermark_ms)
    if into:
        span = dataclasses.replace(span, settings=settings.job.model_dump(mode="json", include=_OF_A_SET))
        with database_of(settings.mongo, "read the collections") as database:
            check_free(database, settings.location, into, settings.pipelines_dir)
            if earlier := replayed(database, settings.pipeline, into):
                return continued(earlier, span, partitions)
    return span


def _committed(settings: Settings) -> tuple[Committed, int]:
    """Returns the offsets that the job has committed, and its watermark then.

    A replay of later records would write documents before the job does. The committed records may imply a later
    watermark, but the job applies that to its next batches only.
    """
    with progress_of(settings) as reader:
        newest = reader.newest()
    if newest is None or not newest["committed"]:
        raise EnvironmentNotReadyError(
            "the job has not committed a batch yet, so its collections have nothing to replace",
            hint="`tandem up --wait` starts it; --into writes other collections, without the job",
        )
    watermark: datetime | None = newest["watermark"]
    return newest["committed"], 0 if watermark is None else milliseconds(watermark)


def _target(settings: Settings, into: str) -> str:
    return ", ".join(name_beside(each.name, into) for each in declared_by(settings.location).collections)


def _print_json(report: dict[str, Any], *, wanted: bool) -> None:
    if wanted:
        print(json.dumps(report))


@app.command(rich_help_panel=RUN, epilog=examples("tandem diff --with v2", "tandem diff --with v2 --values"))
@with_context
def diff(
    context: CommandContext,
    suffix: Annotated[
        str, typer.Option("--with", metavar="SUFFIX", help="Suffix of the collections that a replay has written.")
    ],
    values: Annotated[bool, typer.Option("--values", help="Print the values of differing fields.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
    only_old: Annotated[
        bool,
        typer.Option("--only-old", help="Print all documents that only the old collections have, as lines of JSON."),
    ] = False,
) -> None:
    """Compare the pipeline's collections with replayed ones.

    It prints the numbers of documents that are equal, that differ or that only one of them has, and examples. With
    --only-old, it prints the collection and the _id of each such document instead.
    """
    _check_suffix(context, suffix)
    context.for_each_job(lambda job: _diff(context, job, suffix, values=values, as_json=as_json, only_old=only_old))


def _diff(context: CommandContext, job: Job, suffix: str, *, values: bool, as_json: bool, only_old: bool) -> None:
    def each(collection: str, identity: str) -> None:
        if only_old:
            print(json.dumps({"collection": collection, "_id": identity}))

    settings = job.settings
    with database_of(settings.mongo, "read the collections") as database, progress() as display:
        # A bar would mix with lines on the same terminal.
        steps = nothing if only_old and context.out.is_terminal else steps_in(display)
        record = check_replayed(database, settings.location, suffix)
        found = list(diff_report.differences(settings, database, record.span, record.watermark_ms, each, steps))
    if record.span.complete_ms == NEVER_MS:
        context.say(
            "producers date the records, so it is unknown which ones Kafka has removed: documents in only one of the "
            "collections count as outside, and are not named"
        )
    if only_old:
        return
    if as_json:
        print(json.dumps({each.collection: diff_report.to_json(each, values=values) for each in found}))
    else:
        diff_report.show(found, context.out, values=values)
