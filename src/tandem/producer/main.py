"""Sends one stream: ``python -m tandem.producer.main STREAM --help``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, TextIO

from tandem import log
from tandem.catalog import PipelineLocation, declared_by
from tandem.engine.declare.stream import Stream
from tandem.errors import TandemError, UsageError
from tandem.producer.connect import DEFAULT_DEADLINE_SECONDS, connect, disconnect
from tandem.producer.counted_events import EVENTS_MADE, CountedEvents
from tandem.producer.ledger import Ledger, Outcome
from tandem.producer.record_plan import DEFAULT_REAL_RATE, LATE_AFTER, Mix, Plan
from tandem.producer.sample import Event, Moment, sample
from tandem.producer.send import Summary, send, serve_metrics
from tandem.settings.load import load
from tandem.settings.protection import OPTION, check_sending

INTERRUPTED = 130
Events = Callable[[Moment], Iterable[Event]]


def main(stream: Stream | None = None, events: Events | None = None, arguments: Sequence[str] | None = None) -> int:
    """Sends a generated stream; returns the exit code: 0, 130 or the error's.

    SIGTERM and SIGINT stop the sending, wait for records in flight, print the summary and end with 0 and 130.

    Args:
        stream: the stream to send; None for the stream that the first argument names.
        events: yields the events of a moment; None for the function of the pipeline's module ``generator``.
        arguments: the command line; None for the process's own.
    """
    options = None
    stop = _Stop()
    stop.install()
    try:
        options = parser_of(stream.name if stream else None).parse_args(arguments)
        summary = _produce(stream, events, options, stop)
        _print_summary(options.stream, summary, as_json=options.json)
        unconfirmed = summary.total() - summary.total(Outcome.ACKED)
        if unconfirmed and not stop.event.is_set():
            if options.json:  # the summary has it already
                return TandemError.exit_code
            raise TandemError(
                f"{unconfirmed} of {summary.total()} records were not confirmed by Kafka",
                hint="see the ledger (--ledger FILE), and check Kafka with `tandem status`",
            )
    except TandemError as error:
        if options is not None and options.debug:
            traceback.print_exc()
        if options is not None and options.json:
            _say(json.dumps({"stream": options.stream, "error": str(error), "hint": error.hint}), sys.stdout)
        else:
            _say(f"error: {error}\nhint: {error.hint}")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return INTERRUPTED if stop.signal == signal.SIGINT else 0


def _produce(stream: Stream | None, events: Events | None, options: argparse.Namespace, stop: _Stop) -> Summary:
    plan = plan_of(options)
    settings = load(options.profile)
    check_sending(settings, options.confirm)
    stream = stream or _declared(settings.location, options.stream)
    events = events or _generator(settings.location)
    log.to_stderr(settings.log.format)
    if not options.json:
        _say(f"profile {settings.profile} ({settings.backend})")
    if options.metrics:
        serve_metrics(options.metrics)
    with Ledger(options.ledger) as ledger:
        producer = connect(settings.kafka, [stream.topic], deadline=options.wait, stop=stop.event)
        if producer is None:
            return Summary({}, 0.0)
        pace = options.rate if plan.rate is None else None
        counted = CountedEvents(events, _print_progress) if options.progress else None
        try:
            return send(sample(plan, stream, counted or events), producer, ledger, rate=pace, stop=stop.event)
        finally:
            if counted:
                counted.report()
            disconnect(producer)


def _declared(location: PipelineLocation, name: str) -> Stream:
    streams = {stream.name: stream for stream in declared_by(location).streams}
    if name not in streams:
        raise UsageError(f"pipeline {location.name} has no stream {name!r}", hint=f"choose among: {', '.join(streams)}")
    return streams[name]


def _generator(location: PipelineLocation) -> Events:
    events: Events | None = getattr(location.module("generator"), "events", None)
    if events is None:
        raise UsageError(f"{location.file('generator')} has no function events", hint="`tandem new` writes one")
    return events


def plan_of(options: argparse.Namespace) -> Plan:
    """Returns the plan that a producer's options describe.

    Raises:
        UsageError: they contradict each other.
    """
    if options.rate is not None and options.rate <= 0:
        raise UsageError("the rate is not positive", hint="--rate 20")
    real = options.event_time == "real"
    span = timedelta(minutes=options.span_minutes)
    # By default, no late records where they are impossible (a short span) or would delay the end (real time).
    base = Mix(late=0) if real or span <= LATE_AFTER else Mix()
    return Plan(
        seed=options.seed,
        count=options.count or None,
        start=options.start_time or (datetime.now(UTC) if real else Plan.settled_start(span)),
        mix=Mix.parse(options.mix, base),
        span=span,
        rate=(options.rate or DEFAULT_REAL_RATE) if real else None,
    )


class _Stop:
    """A stop event that SIGINT and SIGTERM set.

    A second SIGINT ends the process at once.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal: int | None = None

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _: object) -> None:
        if self.event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number
        self.event.set()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` lists the options")


def parser_of(stream: str | None) -> argparse.ArgumentParser:
    """Returns the parser of a producer's command line, for one stream or for any."""
    parser = _Parser(
        prog=f"{stream} producer" if stream else "python -m tandem.producer.main",
        description=f"Sends generated {stream or 'records'} to Kafka.",
    )
    add = parser.add_argument
    if stream:
        parser.set_defaults(stream=stream)
    else:
        add("stream", help="a stream of the pipeline that TANDEM_PIPELINE or the profile names")
    add("--count", type=int, default=0, help="primary events; 0 (default) sends endlessly, in real time")
    add("--rate", type=float, help="a second: records when compressed (default: no limit), events in real time (20)")
    add("--seed", type=int, default=1, help="seed of the generated records")
    add("--mix", default="", help="shares of difficult records, for example repeats=0.2,late=0")
    add("--event-time", choices=("compressed", "real"), default="real", help="date events in a past span, or now")
    add("--span-minutes", type=float, default=120.0, help="event time that a compressed stream covers, in minutes")
    add("--start-time", type=_time, help="first event time, ISO 8601, the same for all producers")
    add("--ledger", type=Path, help="append one JSON line for each send to this file")
    add("--wait", type=float, default=DEFAULT_DEADLINE_SECONDS, help="seconds to wait for Kafka")
    add("--metrics", metavar="ADDRESS:PORT", help="serve metrics for Prometheus there, at /metrics")
    add("--profile", help="profile to use (default: TANDEM_PROFILE)")
    add(OPTION, metavar="PROFILE", help="name of the protected profile")
    add("--json", action="store_true", help="print the summary as JSON to standard output")
    add("--progress", action="store_true", help="print once a second how many primary events were made, as JSON")
    add("--debug", action="store_true", help="show the stack trace of an error")
    return parser


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _print_summary(stream: str, summary: Summary, *, as_json: bool) -> None:
    if as_json:
        values = {"seconds": round(summary.seconds, 3), "rate": round(summary.rate, 1), "classes": summary.counts}
        _say(json.dumps({"stream": stream, "sent": summary.total(), **values}), sys.stdout)
        return
    _say(f"{stream}: {summary.total()} records in {summary.seconds:.1f} s, {summary.rate:.0f}/s")
    for kind, outcomes in summary.counts.items():
        text = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
        _say(f"  {kind:<28} {text}")


def _print_progress(made: int) -> None:
    _say(json.dumps({EVENTS_MADE: made}), sys.stdout)


def _say(text: str, where: TextIO | None = None) -> None:
    where = where or sys.stderr
    where.write(text + "\n")
    where.flush()


if __name__ == "__main__":
    sys.exit(main())
