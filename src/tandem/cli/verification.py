"""Compares MongoDB with the topics, and prints the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tandem.cli.backlog_progress import progress_of_backlog
from tandem.cli.context import CommandContext
from tandem.errors import TandemError, UsageError
from tandem.platforms import Job
from tandem.platforms.provision import database_of
from tandem.progress_display import ProgressDisplay, progress
from tandem.replay.sets import check_replayed
from tandem.replay.verification import verify_replayed
from tandem.verify.report import Report, show
from tandem.verify.settle import RESUMES
from tandem.verify.step_progress import OnProgress
from tandem.verify.verify import verify

SETTLE_SECONDS = 120.0


def verify_job(context: CommandContext, job: Job, deadline_s: float, *, as_json: bool) -> None:
    """Verifies the collections that the job writes.

    Raises:
        TandemError: they differ from what the topics imply, or the job cannot catch up.
    """
    present(context, compared(job, deadline_s), as_json=as_json)


def verify_set(context: CommandContext, job: Job, suffix: str, *, as_json: bool) -> None:
    """Verifies the collections that a replay has written.

    Raises:
        UsageError: no replay has.
        TandemError: they differ from what the replayed records imply.
    """
    present(context, compared_set(job, suffix), as_json=as_json)


def compared(job: Job, deadline_s: float) -> Report:
    """Returns the comparison of the job's collections; see ``verify.verify``."""
    with explained_by_job(job), progress() as display, progress_of_backlog(job.settings, display):
        steps = steps_in(display)
        return verify(job.settings, settle_deadline_s=deadline_s, problem=job.problem, progress=steps)


def compared_set(job: Job, suffix: str) -> Report:
    """Returns the comparison of the collections of a replay; see ``verify_replayed``."""
    settings = job.settings
    with (
        explained_by_job(job),
        database_of(settings.mongo, "read the collections") as database,
        progress() as display,
    ):
        span = check_replayed(database, settings.location, suffix).span
        return verify_replayed(settings, database, span, steps_in(display))


@contextmanager
def explained_by_job(job: Job) -> Iterator[None]:
    """Raises the job's problem instead of an error that it explains.

    Raises:
        TandemError: the job has a problem, or the ``with`` statement has failed.
    """
    try:
        yield
    except UsageError:  # the command is wrong, whatever the job does
        raise
    except TandemError:
        if problem := job.problem():
            raise TandemError(problem, hint=RESUMES) from None
        raise


def steps_in(display: ProgressDisplay) -> OnProgress:
    """Returns a function that shows the steps of a comparison; see ``verify.verify``."""

    def show_step(what: str, done: int, total: int) -> None:
        if total == 1:
            # Its number says nothing. The time does.
            display.show(what, total=0 if done else None)
        else:
            display.show(what, done, total)

    return show_step


def present(context: CommandContext, report: Report, *, as_json: bool) -> None:
    """Prints a report.

    Raises:
        TandemError: it has differences.
    """
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        show(report, context.out)
    check(report)


def check(report: Report) -> None:
    """Raises TandemError if a report has differences."""
    if not report.ok:
        raise TandemError(
            "MongoDB and the topics do not agree", hint="see the examples in the table, and `tandem logs job`"
        )
