"""Commands that send, verify and repair records: ``run``, ``produce``, ``verify``, ``reconcile``."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tandem.catalog import declared_by
from tandem.cli.batch_report import counts_in
from tandem.cli.context import CommandContext
from tandem.cli.interruption import changes_explained
from tandem.cli.options import RUN, examples, with_context
from tandem.cli.plans import EventTime, close_streams, known_watermark, make_plan
from tandem.cli.protection import Confirm, check_apart, confirm
from tandem.cli.verification import SETTLE_SECONDS, explained_by_job, verify_job, verify_set
from tandem.errors import TandemError, UsageError
from tandem.foreign import inherited
from tandem.platforms import Job
from tandem.platforms.base import DeployedJob
from tandem.producer.api import produce as send_all
from tandem.producer.lookup import lookups_of, store_lookups
from tandem.producer.record_plan import LATE_AFTER, Mix, Plan
from tandem.producer.send import Summary
from tandem.progress_display import progress, work_shown
from tandem.settings.protection import sending
from tandem.verify.oracle import load_oracle
from tandem.verify.settle import RESUMES

app = typer.Typer()

PROBLEM_POLL_S = 2.0

Count = Annotated[
    int, typer.Option(min=1, help="Events of the first stream; the other streams' events come in addition.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of the generated records (default: a new one, printed).")]
MixOption = Annotated[
    str, typer.Option("--mix", help="Shares of repeats, early, late, unmatched, malformed: repeats=0.2,late=0")
]
Ledgers = Annotated[Path | None, typer.Option(help="Folder for ledgers: one JSON line per send, with its outcome.")]


@app.command(rich_help_panel=RUN, epilog=examples("tandem run", "tandem run --count 100000 --keep"))
@with_context
def run(
    context: CommandContext,
    count: Count = 10_000,
    seed: Seed = None,
    mix: MixOption = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the environment running.")] = False,
    ledger: Ledgers = None,
    name: Confirm = None,
) -> None:
    """Start, send generated records, verify the results, and stop.

    Exit with 0 only if MongoDB holds the documents that the records imply.
    """
    Mix.parse(mix, Mix())  # reports a wrong value before anything starts
    for job in context.jobs:
        load_oracle(job.settings.location)  # the same for a missing oracle
    _confirm_sending(context, name)
    context.check_conflicts()
    before, mine = context.environment.pipelines(), context.pipelines
    try:
        started = "the Spark job" if before else "Kafka, MongoDB and the Spark job"
        context.say("already running" if set(mine) <= set(before) else f"starting {started}")
        context.for_each_job(lambda job: job.submit(), titles=False)
        context.for_each_job(lambda job: _run(context, job, count, seed, mix, ledger))
    finally:
        if not keep and not set(mine) <= set(before):
            # The first Ctrl-C ends the run; a second one must not interrupt the stop.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            stop_started(context, before)


def _confirm_sending(context: CommandContext, name: str | None) -> None:
    """Asks before sending generated records to a protected profile's topics."""
    check_apart(context, sending(context.settings))
    confirm(context, sending(context.settings), name)


def stop_started(context: CommandContext, before: list[str]) -> None:
    """Stops the environment, or in a cloud and beside others only our jobs."""
    in_the_cloud = isinstance(context.job, DeployedJob)
    if not before and not in_the_cloud:
        context.environment.stop()
        return
    # In the cloud this includes jobs that failed: their cluster may still exist.
    now = context.pipelines if in_the_cloud else context.environment.pipelines()
    started = set(now) - set(before)
    context.for_each_job(lambda job: job.stop() if job.settings.pipeline in started else None, titles=False)


def _run(context: CommandContext, job: Job, count: int, seed: int | None, mix: str, ledger: Path | None) -> None:
    job.wait_until_ready()
    plan = make_plan(count=count, seed=seed, mix=mix, watermark=_watermark(job))
    context.say(f"sending {count} {_first(job)} and the events that belong to them, seed {plan.seed}")
    if plan.rate:
        context.say("sending in real time because the watermark is recent; unmatched events will stay pending")
    _send(context, job, plan, None, ledger)
    close_streams(job.settings, plan)
    context.say("waiting for the job, then comparing MongoDB with the topics")
    verify_job(context, job, SETTLE_SECONDS, as_json=False)


@app.command(rich_help_panel=RUN, epilog=examples("tandem produce --count 1000", "tandem produce --count 0 --rate 50"))
@with_context
def produce(
    context: CommandContext,
    count: Annotated[
        int, typer.Option(min=0, help="Events of the first stream; 0 sends endlessly, in real time.")
    ] = 10_000,
    seed: Seed = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Events of the first stream a second (default: no limit; in real time 20)."),
    ] = None,
    mix: MixOption = "",
    event_time: Annotated[
        EventTime | None,
        typer.Option(help="Date events in a past span, or now (default: in the past if the watermark allows it)."),
    ] = None,
    span_minutes: Annotated[
        float, typer.Option(min=1, help="Event time that a compressed set covers, in minutes.")
    ] = 120,
    close: Annotated[
        bool,
        typer.Option("--close", help="Advance the watermark afterwards, so that unmatched events are written at once."),
    ] = False,
    ledger: Ledgers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summaries as JSON.")] = False,
    name: Confirm = None,
) -> None:
    """Send generated records to the topics.

    Each stream has its own process.
    """

    def send(job: Job) -> None:
        with explained_by_job(job):
            watermark = _watermark(job)
        plan = make_plan(
            count=count,
            seed=seed,
            mix=mix,
            watermark=watermark,
            event_time=event_time,
            rate=rate,
            span=timedelta(minutes=span_minutes),
        )
        context.say(f"sending in {'real' if plan.rate else 'compressed'} event time, seed {plan.seed}")
        if plan.rate and plan.count and plan.mix.late:
            minutes = LATE_AFTER.total_seconds() / 60
            context.say(
                f"late records are sent {minutes:g} minutes after their event time, so this takes as long; "
                "use --mix late=0 to send none, or --event-time compressed to send them at once"
            )
        summaries = _send(context, job, plan, rate, ledger)
        if close:
            close_streams(job.settings, plan)
        if as_json:
            print(json.dumps({name: {"seconds": s.seconds, "classes": s.counts} for name, s in summaries.items()}))

    if count == 0 and len(context.jobs) > 1:
        raise UsageError("`--count 0` (endless) works for one pipeline at a time", hint="use --pipeline NAME")
    _confirm_sending(context, name)
    context.for_each_job(send)


@app.command(rich_help_panel=RUN, epilog=examples("tandem verify", "tandem verify --wait 300 --json"))
@with_context
def verify(
    context: CommandContext,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for the job to catch up.")] = SETTLE_SECONDS,
    into: Annotated[
        str | None,
        typer.Option(metavar="SUFFIX", help="Compare the collections that `tandem replay --into` has written."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compare MongoDB with the documents that the topics imply.

    The documents are computed without Spark. Exit with 1 on any difference.
    """
    if into is not None:
        context.for_each_job(lambda job: verify_set(context, job, into, as_json=as_json))
    else:
        context.for_each_job(lambda job: verify_job(context, job, wait, as_json=as_json))


@app.command(rich_help_panel=RUN, epilog=examples("tandem reconcile"))
@with_context
def reconcile(
    context: CommandContext,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Repair the documents that late records affect.

    Missing documents are inserted, and outdated ones are replaced or removed. The job's transform runs as a batch over
    the topics. It is safe to run beside the job, and to run again.
    """
    check_apart(context, "change documents there")
    with changes_explained(context, "reconcile"):
        context.for_each_job(lambda job: _reconcile(context, job, as_json=as_json))


def _reconcile(context: CommandContext, job: Job, *, as_json: bool) -> None:
    with work_shown("reconciling"):
        report = job.reconcile()
    if as_json:
        print(json.dumps(report))
        return
    if not report["compared"]:
        context.say("the job has not committed a batch yet, so there is nothing to reconcile")
    for line in counts_in(report):
        print(line)


def _watermark(job: Job) -> datetime | None:
    return known_watermark(job.settings, job.status()["job"]["watermark"])


def _send(
    context: CommandContext, job: Job, plan: Plan, rate: float | None, ledgers: Path | None
) -> dict[str, Summary]:
    settings, location = job.settings, job.settings.location
    # The producers use this job's pipeline, however it was chosen.
    chosen = {"TANDEM_PIPELINE": location.name, "TANDEM_PIPELINES_DIR": str(settings.pipelines_dir)}
    # Stored before the events that refer to them.
    for name, number in store_lookups(settings.mongo, lookups_of(location), plan).items():
        context.say(f"  {name}: {number} documents")
    first = _first(job)
    with stop_at_problem(job) as stop, progress() as display:

        def show(made: int) -> None:
            display.show("sending", made, plan.count, unit=first)

        if plan.count:
            show(0)
        summaries = send_all(
            [stream.name for stream in declared_by(location).streams],
            plan,
            profile=settings.profile,
            # The user was asked before.
            confirmed=True,
            variables=location.variables(inherited() | chosen),
            rate=rate,
            ledgers=ledgers,
            stop=stop,
            # An endless plan has nothing to wait for.
            progress=show if plan.count else None,
        )
    for name, summary in summaries.items():
        context.say(f"  {name}: {summary.total()} records in {summary.seconds:.1f} s")
    return summaries


@contextmanager
def stop_at_problem(job: Job) -> Iterator[threading.Event]:
    """Yields an event that is set when the job or a service fails.

    Producers would wait minutes for it.

    Raises:
        TandemError: the environment failed.
    """
    stop, done = threading.Event(), threading.Event()
    problems: list[str] = []

    def watch() -> None:
        while not done.wait(PROBLEM_POLL_S):
            # One unanswered request to an engine or a cloud does not count as a failure.
            with suppress(TandemError):
                if problem := job.problem():
                    problems.append(problem)
                    stop.set()
                    return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        done.set()
        watcher.join()
    if problems:
        raise TandemError(problems[0], hint=RESUMES)


def _first(job: Job) -> str:
    return declared_by(job.settings.location).streams[0].name
