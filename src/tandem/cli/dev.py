"""The command ``dev``, which reloads the job whenever a file is saved."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tandem.cli.options import AUTHOR, with_session
from tandem.cli.protection import Confirm, confirm
from tandem.cli.session import Session
from tandem.engine.declare.avro_schema import FOLDER
from tandem.errors import TandemError, UsageError
from tandem.platforms.base import ReloadableJob
from tandem.platforms.provision import create_collections, create_topics, indexes_of, streams_of
from tandem.platforms.reload import WAITS, Failures
from tandem.settings.load import SETTINGS
from tandem.settings.model import Settings

app = typer.Typer()

_LOOK_S = 0.2
# Those that a pipeline may do without.
_OPTIONAL = ("streams", "oracle", "generator")


@app.command(rich_help_panel=AUTHOR)
@with_session
def dev(
    session: Session,
    name: Annotated[str | None, typer.Argument(help="Pipeline to work on (default: the one of --pipeline).")] = None,
    confirmed: Confirm = None,
) -> None:
    """Start everything and reload the job whenever you save a file. Stop with Ctrl-C.

    Errors are reported with file and line; fix the file and save again. The environment stays up afterwards.
    """
    session.pipeline = name or session.pipeline
    settings, job = session.settings, _job(session)
    confirm(session, "reload its job at every save", confirmed)
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
        session.say(f"error: {error}\nhint: {error.hint}")
    session.say(f"watching {location.folder}; try `tandem produce`, `tandem verify` and {_dashboard(settings)}")
    _watch(session, known)


def _watch(session: Session, known: dict[Path, int]) -> NoReturn:
    """Reloads the job whenever a file is saved, and prints its failures between two saves."""
    folder = session.settings.location.folder
    failures = Failures(session.settings)
    outdated = False
    try:
        while True:
            time.sleep(_LOOK_S)  # not a wait for readiness: until somebody saves a file
            if (now := _saved(folder)) == known:
                if error := failures.news():
                    session.say(f"error: {error}\nhint: {WAITS}")
                continue
            paths = now.keys() | known.keys()
            changed = ", ".join(sorted(path.name for path in paths if now.get(path) != known.get(path)))
            known, began = now, time.monotonic()
            failures.told(None)
            try:
                if session.refresh():
                    outdated = True
                    failures.close()
                    failures = Failures(session.settings)
                _check(session.settings)
                if outdated:
                    # A running driver cannot change Spark's settings.
                    _job(session).restart()
                    outdated = False
                _resume(_job(session))
            except TandemError as error:
                failures.told(str(error))
                session.say(f"{changed}: error: {error}\nhint: {error.hint}")
            else:
                session.say(f"{changed}: reloaded in {time.monotonic() - began:.1f} s")
    finally:
        failures.close()


def _job(session: Session) -> ReloadableJob:
    """Returns the job with the current settings.

    Raises:
        UsageError: the job does not run from this machine's files.
    """
    if not isinstance(session.job, ReloadableJob):
        raise UsageError(
            f"the job of profile {session.settings.profile} does not run from this machine's files",
            hint="use --profile embedded or --profile local",
        )
    return session.job


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
    create_topics(settings.kafka, *streams_of(location))
    create_collections(settings.mongo, indexes_of(location))


def _saved(folder: Path) -> dict[Path, int]:
    """Returns the modification times of a pipeline's modules, schemas and settings."""
    found = {}
    modules = (path for path in folder.glob("*.py") if not path.name.startswith("test_"))
    for path in (*modules, *folder.glob(SETTINGS), *folder.glob(f"{FOLDER}/*.avsc")):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # editors replace files
            continue
    return found


def _dashboard(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.ui.dashboard_port}"
