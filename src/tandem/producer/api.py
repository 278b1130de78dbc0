"""Runs all producers of a pipeline, each in its own process; ``tandem produce`` and ``tandem run`` call it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.producer.plan import Plan
from tandem.producer.send import Summary

_ERRORS = {each.exit_code: each for each in (TandemError, UsageError, EnvironmentNotReadyError)}
_POLL_SECONDS = 0.1


def produce(
    modules: Sequence[str],
    plan: Plan,
    *,
    profile: str,
    rate: float | None = None,
    ledgers: Path | None = None,
    stop: threading.Event | None = None,
) -> dict[str, Summary]:
    """Returns each producer's summary by the name of its stream, when all have ended.

    A Ctrl-C on the terminal reaches the producers too; they end by themselves and their summaries are returned.

    Args:
        modules: the entry modules, as in a pipeline's ``producers.PRODUCERS``.
        plan: what to send; the same for all, so that their records belong together.
        profile: the environment.
        rate: records per second of each producer when the plan is compressed; None for as fast as it goes.
        ledgers: a folder for the ledgers, one ``<last part of the module>.jsonl`` each, appended to; None for none.
        stop: when set, the producers are told to stop; what is in flight is still waited for.

    Raises:
        TandemError: a producer failed; the others were stopped. Its class is that of the producer's own error. Records
            that Kafka did not confirm are no such failure: the summaries count them.
    """
    stop = stop or threading.Event()
    if ledgers is not None:
        ledgers.mkdir(parents=True, exist_ok=True)
    children = {
        module: subprocess.Popen(
            [sys.executable, "-m", module, *arguments(plan, profile, rate), *_ledger_arguments(module, ledgers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        for module in modules
    }
    told = False
    try:
        with ThreadPoolExecutor(len(children)) as pool:
            # Each child's output is read while it runs, so that none can block on a full pipe.
            results = [pool.submit(_result, module, child) for module, child in children.items()]
            try:
                while True:
                    done, running = wait(results, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
                    if not running:
                        break
                    if not told and (stop.is_set() or any(each.exception() for each in done)):
                        told = True
                        _terminate(children.values())
            except BaseException:
                _terminate(children.values())
                raise
        return dict(each.result() for each in results)
    finally:
        _terminate(children.values())


def arguments(plan: Plan, profile: str, rate: float | None) -> list[str]:
    """Returns the command line from which a producer module computes the same plan."""
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


def _ledger_arguments(module: str, ledgers: Path | None) -> list[str]:
    return [] if ledgers is None else [f"--ledger={ledgers / module.rpartition('.')[2]}.jsonl"]


def _terminate(children: Iterable[subprocess.Popen[str]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()


def _result(module: str, child: subprocess.Popen[str]) -> tuple[str, Summary]:
    output, _ = child.communicate()
    try:
        answer = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        raise TandemError(
            f"{module} ended with exit code {child.returncode} and no summary", hint="its own output stands above"
        ) from None
    if "error" in answer:
        raise _ERRORS.get(child.returncode, TandemError)(f"{answer['stream']}: {answer['error']}", hint=answer["hint"])
    return answer["stream"], Summary(counts=answer["classes"], seconds=answer["seconds"])
