"""Runs all producers of a pipeline, each in its own process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.producer.counted_events import EVENTS_MADE
from tandem.producer.record_plan import Plan
from tandem.producer.send import Summary
from tandem.settings.protection import OPTION

_ERRORS = {each.exit_code: each for each in (TandemError, UsageError, EnvironmentNotReadyError)}
_POLL_SECONDS = 0.1
# A line that `--progress` prints; others may be those of a pipeline's generator.
_PROGRESS = f'{{"{EVENTS_MADE}":'


def produce(
    streams: Sequence[str],
    plan: Plan,
    *,
    profile: str,
    confirmed: bool = False,
    variables: Mapping[str, str],
    rate: float | None = None,
    ledgers: Path | None = None,
    metrics: str | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Summary]:
    """Returns each stream's summary by its name, after all producers have ended.

    A producer that was stopped before it began is left out. Ctrl-C on the terminal also reaches the producers; if the
    caller then sets ``stop``, their summaries are returned.

    Args:
        streams: the names of the streams to send.
        plan: the plan of the records, the same for all, so that their records belong together.
        profile: the profile's name.
        confirmed: whether the user allows a protected profile's producers to send.
        variables: the producers' environment variables, which let them find the pipeline.
        rate: records per second of each producer if the plan is compressed; None for no limit.
        ledgers: a folder for the ledgers, one ``<stream>.jsonl`` each, appended to; None for none.
        metrics: ``address:port`` of the first producer's metrics, each further one's at the next port; None for none.
        stop: when set, the producers stop after the records in flight.
        progress: called from other threads, about once a second, with the number of the plan's primary events that all
            producers have made.

    Raises:
        TandemError: a producer failed and the others were stopped; it has the class of the producer's error. Records
            that Kafka did not confirm are no failure: the summaries count them.
    """
    stop = stop or threading.Event()
    made, made_lock = dict.fromkeys(streams, 0), threading.Lock()

    def report(stream: str, number: int) -> None:
        with made_lock:
            made[stream] = number
            if progress:
                progress(min(made.values()))

    if ledgers is not None:
        ledgers.mkdir(parents=True, exist_ok=True)
    children: dict[str, subprocess.Popen[str]] = {}
    first_error: BaseException | None = None
    try:
        for number, stream in enumerate(streams):
            children[stream] = subprocess.Popen(
                [
                    # Without the current folder on the path, whose packages could hide ours.
                    *(sys.executable, "-P", "-m", "tandem.producer.main", stream, *arguments(plan, profile, rate)),
                    *([f"{OPTION}={profile}"] if confirmed else []),
                    *(["--progress"] if progress else []),
                    *_ledger_arguments(stream, ledgers),
                    *_metrics_arguments(metrics, number),
                ],
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
            )
        with ThreadPoolExecutor(len(children)) as pool:
            # Each child's output is read while it runs, so that none can block on a full pipe.
            results = [pool.submit(_result, stream, child, report) for stream, child in children.items()]
            try:
                running = set(results)
                notified = False
                while running:
                    done, running = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
                    # The error of a producer that was stopped must not hide the first error.
                    first_error = first_error or next((each.exception() for each in done if each.exception()), None)
                    if not notified and (stop.is_set() or first_error):
                        notified = True
                        _terminate(children.values())
            except BaseException:
                _terminate(children.values())
                raise
        if first_error:
            raise first_error
        return dict(filter(None, (each.result() for each in results)))
    finally:
        _terminate(children.values())


def arguments(plan: Plan, profile: str, rate: float | None) -> list[str]:
    """Returns the command line from which a producer computes the same plan."""
    values = {
        "--count": plan.count or 0,
        "--seed": plan.seed,
        "--mix": ",".join(f"{name}={share!r}" for name, share in asdict(plan.mix).items()),
        "--event-time": "real" if plan.rate else "compressed",
        "--span-minutes": plan.span.total_seconds() / 60,
        "--start-time": plan.start.isoformat(),
        "--rate": plan.rate or rate,
        "--profile": profile,
    }
    # One word each: a value may start with a dash.
    return ["--json", *(f"{name}={value}" for name, value in values.items() if value is not None)]


def _ledger_arguments(stream: str, ledgers: Path | None) -> list[str]:
    return [] if ledgers is None else [f"--ledger={ledgers / stream}.jsonl"]


def _metrics_arguments(place: str | None, number: int) -> list[str]:
    if place is None:
        return []
    address, _, port = place.rpartition(":")
    # The producer rejects an invalid port.
    return [f"--metrics={address}:{int(port) + number if port.isdecimal() else port}"]


def _terminate(children: Iterable[subprocess.Popen[str]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()


def _result(
    stream: str, child: subprocess.Popen[str], report: Callable[[str, int], None]
) -> tuple[str, Summary] | None:
    last = ""
    with child:
        for line in child.stdout or ():
            if line.startswith(_PROGRESS):
                report(stream, json.loads(line)[EVENTS_MADE])
            else:
                last = line
    if child.returncode in (-signal.SIGINT, -signal.SIGTERM):
        return None  # stopped before it had begun
    try:
        answer = json.loads(last)
    except ValueError:
        raise TandemError(
            f"the producer of {stream} ended with exit code {child.returncode} and no summary",
            hint="see its output above",
        ) from None
    if "error" in answer:
        raise _ERRORS.get(child.returncode, TandemError)(f"{answer['stream']}: {answer['error']}", hint=answer["hint"])
    return answer["stream"], Summary(counts=answer["classes"], seconds=answer["seconds"])
