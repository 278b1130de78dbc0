"""``run``, ``produce``, ``verify``: send records through the pipeline and account for every one of them."""

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
from tandem.cli.plans import EventTime, closing_time, known_watermark, make_plan
from tandem.cli.session import Session
from tandem.errors import TandemError, UsageError
from tandem.foreign import inherited
from tandem.platforms import Job
from tandem.producer.api import produce as send_all
from tandem.producer.connect import connect, disconnect
from tandem.producer.control import close_windows
from tandem.producer.lookup import lookups_of, store_lookups
from tandem.producer.plan import DEFAULT_SPAN, LATE_AFTER, Mix, Plan
from tandem.producer.send import Summary
from tandem.settings.model import Settings
from tandem.verify.settle import GOES_ON
from tandem.verify.table import show
from tandem.verify.verify import verify as compare

SETTLE_SECONDS = 120.0
PROBLEM_POLL_S = 2.0

Count = Annotated[
    int, typer.Option(min=1, help="How many events of the first stream; what belongs to them comes in addition.")
]
Seed = Annotated[int | None, typer.Option(help="Another seed, other records; default: a new one, which is printed.")]
MixOption = Annotated[
    str, typer.Option("--mix", help="Shares of repeats, early, late, unmatched, malformed: repeats=0.2,late=0")
]
Ledgers = Annotated[Path | None, typer.Option(help="A folder for one JSON line per send, with its outcome.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(run)
    app.command()(produce)
    app.command()(verify)
    app.command()(reconcile)


def run(
    context: typer.Context,
    count: Count = 10_000,
    seed: Seed = None,
    mix: MixOption = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running.")] = False,
    ledger: Ledgers = None,
) -> None:
    """Start everything, send generated records of all kinds, verify what becomes of them, stop what was started.

    Exits 0 only if every record is accounted for.
    """
    session: Session = context.obj
    Mix.parse(mix, Mix())  # what is wrong is said before anything starts
    session.check_conflicts()
    before, mine = session.environment.pipelines(), session.pipelines
    try:
        session.say("everything runs already" if set(mine) <= set(before) else f"starting {_started(before)}")
        session.for_each_job(lambda job: job.submit(), titles=False)
        session.for_each_job(lambda job: _run(session, job, count, seed, mix, ledger))
    finally:
        if not keep and not set(mine) <= set(before):
            # Whoever interrupts once means the run, and twice the cleaning up that is going on already.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            _stop(session, before)


def _started(before: list[str]) -> str:
    return "the Spark job" if before else "Kafka, MongoDB and the Spark job"


def _stop(session: Session, before: list[str]) -> None:
    """Stops what was started: everything, or what runs beside the pipelines of before."""
    if not before:
        session.environment.stop()
        return
    now = session.environment.pipelines()
    for job in session.jobs:
        if job.settings.pipeline in now and job.settings.pipeline not in before:
            job.stop()


def _run(session: Session, job: Job, count: int, seed: int | None, mix: str, ledger: Path | None) -> None:
    job.wait_until_ready()
    plan = make_plan(
        count=count,
        seed=seed,
        mix=mix,
        event_time=None,
        rate=None,
        span=DEFAULT_SPAN,
        watermark=_watermark(job),
    )
    session.say(f"sending {count} {_first(job)} and what belongs to them, seed {plan.seed}")
    if plan.rate:
        session.say("the watermark is recent: event times are now, and what has no partner will wait for one")
    _send(session, job, plan, None, ledger)
    close_streams(job.settings, plan)
    session.say("waiting for the job, then comparing MongoDB with the topics")
    _verify(session, job, SETTLE_SECONDS, as_json=False)


def produce(
    context: typer.Context,
    count: Annotated[
        int, typer.Option(min=0, help="How many events of the first stream; 0 for endless, in real time only.")
    ] = 10_000,
    seed: Seed = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="A second; default: no limit, in real time 20.")] = None,
    mix: MixOption = "",
    event_time: Annotated[
        EventTime | None,
        typer.Option(help="A span in the past, or the time of sending; default: the past, if the watermark allows."),
    ] = None,
    span_minutes: Annotated[float, typer.Option(min=1, help="The event time that a compressed set covers.")] = 120,
    close: Annotated[
        bool, typer.Option("--close", help="Then move the watermark on, so that what is unmatched is written at once.")
    ] = False,
    ledger: Ledgers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summaries as JSON.")] = False,
) -> None:
    """Send generated records into the topics, each stream from a process of its own."""

    def send(job: Job) -> None:
        plan = make_plan(
            count=count,
            seed=seed,
            mix=mix,
            event_time=event_time,
            rate=rate,
            span=timedelta(minutes=span_minutes),
            watermark=_watermark(job),
        )
        session.say(f"sending in {'real' if plan.rate else 'compressed'} event time, seed {plan.seed}")
        if plan.rate and plan.count and plan.mix.late:
            minutes = LATE_AFTER.total_seconds() / 60
            session.say(
                f"late records are sent {minutes:g} minutes after their event time, so this takes as long; --mix "
                "late=0 sends none, --event-time compressed those that are late at once"
            )
        summaries = _send(session, job, plan, rate, ledger)
        if close:
            close_streams(job.settings, plan)
        if as_json:
            print(json.dumps({name: {"seconds": s.seconds, "classes": s.counts} for name, s in summaries.items()}))

    session: Session = context.obj
    if count == 0 and len(session.jobs) > 1:
        raise UsageError("what has no end is of one pipeline at a time", hint="name one: --pipeline NAME")
    session.for_each_job(send)


def verify(
    context: typer.Context,
    wait: Annotated[float, typer.Option(min=1, help="How many seconds the job may take to catch up.")] = SETTLE_SECONDS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compute from the topics what MongoDB must hold, without Spark, and compare. Exits 1 on any difference."""
    session: Session = context.obj
    session.for_each_job(lambda job: _verify(session, job, wait, as_json=as_json))


def reconcile(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Repair what late records have left: insert what they would have made, and replace or remove what they overtake.

    A batch of the job's own transform over the topics. It may run beside the job, and again without effect.
    """
    session: Session = context.obj
    session.for_each_job(lambda job: _reconcile(session, job, as_json=as_json))


def _reconcile(session: Session, job: Job, *, as_json: bool) -> None:
    report = job.reconcile()
    if as_json:
        print(json.dumps(report))
        return
    if not report["compared"]:
        session.say("the job has not committed anything yet: there is nothing to reconcile")
    done = {what: report[what] for what in ("compared", "inserted", "replaced", "removed")}
    for collection in {name: None for numbers in done.values() for name in numbers}:
        told = (f"{numbers[collection]} {what}" for what, numbers in done.items() if collection in numbers)
        print(f"{collection}: {', '.join(told)}")


def _watermark(job: Job) -> datetime | None:
    return known_watermark(job.settings, job.status()["job"]["watermark"])


def _send(session: Session, job: Job, plan: Plan, rate: float | None, ledgers: Path | None) -> dict[str, Summary]:
    settings, location = job.settings, job.settings.location
    # The same pipeline for the producers as for this command, whatever named it.
    chosen = {"TANDEM_PIPELINE": location.name, "TANDEM_PIPELINES_DIR": str(settings.pipelines_dir)}
    # Before the events that look them up.
    for name, number in store_lookups(settings.mongo, lookups_of(location), plan).items():
        session.say(f"  {name}: {number} documents")
    with stop_at_problem(job) as stop:
        summaries = send_all(
            [stream.name for stream in declared_by(location).streams],
            plan,
            profile=settings.profile,
            variables=location.variables(inherited() | chosen),
            rate=rate,
            ledgers=ledgers,
            stop=stop,
        )
    for name, summary in summaries.items():
        session.say(f"  {name}: {summary.total()} records in {summary.seconds:.1f} s")
    return summaries


@contextmanager
def stop_at_problem(job: Job) -> Iterator[threading.Event]:
    """Yields an event that is set when the environment has a problem: producers would wait for it to mend for minutes.

    Raises:
        TandemError: it had one.
    """
    stop, done = threading.Event(), threading.Event()
    problems: list[str] = []

    def watch() -> None:
        while not done.wait(PROBLEM_POLL_S):
            # That an engine or a cloud does not answer for once is no problem of the environment's.
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
        raise TandemError(problems[0], hint=GOES_ON)


def _first(job: Job) -> str:
    return declared_by(job.settings.location).streams[0].name


def close_streams(settings: Settings, plan: Plan) -> None:
    """Moves the watermark past a plan's events, so that what is unmatched is written."""
    streams = declared_by(settings.location).streams
    producer = connect(settings.kafka, [stream.topic for stream in streams])
    if producer is not None:
        try:
            close_windows(producer, streams, closing_time(plan))
        finally:
            disconnect(producer)


def _verify(session: Session, job: Job, deadline_s: float, *, as_json: bool) -> None:
    try:
        report = compare(job.settings, settle_deadline_s=deadline_s, problem=job.problem)
    except TandemError:
        # That something does not answer is less than why.
        if problem := job.problem():
            raise TandemError(problem, hint=GOES_ON) from None
        raise
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        show(report, session.out)
    if not report.ok:
        raise TandemError("MongoDB and the topics do not agree", hint="the table names examples; `tandem logs job`")
