"""The command ``dev``, which reloads the job whenever a file is saved."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tandem.cli.context import CommandContext
from tandem.cli.options import AUTHOR, examples, with_context
from tandem.cli.protection import Confirm, confirm
from tandem.engine.declare.wire_format import FOLDER
from tandem.errors import TandemError, UsageError
from tandem.platforms.base import ReloadableJob
from tandem.platforms.observe import dashboard_url
from tandem.platforms.provision import create_declared
from tandem.platforms.reload import SAVE_HINT, Failures
from tandem.settings.load import SETTINGS
from tandem.settings.model import Settings

app = typer.Typer()

_LOOK_S = 0.2
# The modules that a pipeline does not need.
_OPTIONAL = ("streams", "oracle", "generator")


@app.command(rich_help_panel=AUTHOR, epilog=examples("tandem dev page_views"))
@with_context
def dev(
    context: CommandContext,
    name: Annotated[str | None, typer.Argument(help="Pipeline to work on (default: the one of --pipeline).")] = None,
    confirmed: Confirm = None,
) -> None:
    """Start everything and reload the job whenever you save a file.

    Errors are reported with file and line; fix the file and save again. Stop with Ctrl-C. The environment stays up
    afterwards.
    """
    context.pipeline = name or context.pipeline
    settings, job = context.settings, _job(context)
    confirm(context, "reload its job at every save", confirmed)
    location = settings.location
    # Files saved while the environment starts count as changed.
    known = _saved(location.folder)
    try:
        job.submit()
        job.wait_until_ready()
        _resume(job)
    except TandemError as error:
        if job.problem() is None and job.status()["job"]["state"] != "running":
            raise
        # Only the job's code failed, and the next save may fix it.
        context.say(f"error: {error}\nhint: {error.hint}")
    context.say(f"watching {location.folder}; try `tandem produce`, `tandem verify` and {dashboard_url(settings)}")
    _watch(context, known)


def _watch(context: CommandContext, known: dict[Path, int]) -> NoReturn:
    """Reloads the job at every save, and prints its failures between two saves."""
    folder = context.settings.location.folder
    failures = Failures(context.settings)
    outdated = False
    try:
        while True:
            time.sleep(_LOOK_S)  # not a wait for readiness: the interval of the search for saved files
            if (now := _saved(folder)) == known:
                if error := failures.unreported():
                    context.say(f"error: {error}\nhint: {SAVE_HINT}")
                continue
            paths = now.keys() | known.keys()
            changed = ", ".join(sorted(path.name for path in paths if now.get(path) != known.get(path)))
            known, began = now, time.monotonic()
            failures.record(None)
            try:
                if context.refresh():
                    outdated = True
                    failures.close()
                    failures = Failures(context.settings)
                _check(context.settings)
                if outdated:
                    # A running driver cannot change Spark's settings.
                    _job(context).restart()
                    outdated = False
                _resume(_job(context))
            except TandemError as error:
                failures.record(str(error))
                context.say(f"{changed}: error: {error}\nhint: {error.hint}")
            else:
                context.say(f"{changed}: reloaded in {time.monotonic() - began:.1f} s")
    finally:
        failures.close()


def _job(context: CommandContext) -> ReloadableJob:
    """Returns the job with the current settings.

    Raises:
        UsageError: the job does not run from this machine's files.
    """
    if not isinstance(context.job, ReloadableJob):
        raise UsageError(
            f"the job of profile {context.settings.profile} does not run from this machine's files",
            hint="use --profile embedded or --profile local",
        )
    return context.job


def _resume(job: ReloadableJob) -> None:
    """Resumes the job with the current code."""
    if job.problem() is not None:
        job.restart()
    # After its first reload, a driver whose code fails stays and waits for the next change.
    job.reload()


def _check(settings: Settings) -> None:
    """Imports the saved modules and creates new topics and collections.

    Broken code fails here, before it stops the job.
    """
    location = settings.location
    location.forget()
    for module in ("transform", *(each for each in _OPTIONAL if location.file(each).is_file())):
        location.module(module)
    create_declared(settings)


def _saved(folder: Path) -> dict[Path, int]:
    """Returns the modification times of a pipeline's modules, schemas and settings."""
    modified = {}
    modules = (path for path in folder.glob("*.py") if not path.name.startswith("test_"))
    for path in (*modules, *folder.glob(SETTINGS), *folder.glob(f"{FOLDER}/*")):
        try:
            modified[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # editors replace files
            continue
    return modified
