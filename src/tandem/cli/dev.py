"""``dev``: change a pipeline while it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tandem.cli.session import Session
from tandem.engine.declare.avro_schema import FOLDER
from tandem.errors import TandemError, UsageError
from tandem.platforms.base import ReloadableJob
from tandem.platforms.provision import create_collections, create_topics, indexes_of, streams_of
from tandem.platforms.reload import WAITS, Failures
from tandem.settings.load import SETTINGS
from tandem.settings.model import Settings

_LOOK_S = 0.2
# Those that a pipeline may do without.
_OPTIONAL = ("streams", "oracle", "generator")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(dev)


def dev(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The pipeline; default: as for every command.")] = None,
) -> None:
    """Start everything, and let the job go on with the pipeline's code whenever a file is saved; Ctrl-C ends that.

    The environment stays up. What is wrong in a file is told with its line, and mended by the next save.
    """
    session: Session = context.obj
    session.pipeline = name or session.pipeline
    settings, job = session.settings, _job(session)
    location = settings.location
    # What is saved from here on is news, also while all starts.
    known = _saved(location.folder)
    try:
        job.submit()
        job.wait_until_ready()
        _go_on(job)
    except TandemError as error:
        if job.problem() is None and job.status()["job"]["state"] != "running":
            raise
        # All but the job's code runs, and the next save may mend that.
        session.say(f"error: {error}\nhint: {error.hint}")
    session.say(
        f"watching {location.folder}; `tandem produce`, `tandem verify` and {_page(settings)} show what it does"
    )
    _watch(session, known)


def _watch(session: Session, known: dict[Path, int]) -> NoReturn:
    """Lets the job go on whenever a file was saved, and tells what it fails at between two saves."""
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
                    # A driver that runs cannot take Spark's settings.
                    _job(session).restart()
                    outdated = False
                _go_on(_job(session))
            except TandemError as error:
                failures.told(str(error))
                session.say(f"{changed}: error: {error}\nhint: {error.hint}")
            else:
                session.say(f"{changed}: the job runs with it after {time.monotonic() - began:.1f} s")
    finally:
        failures.close()


def _job(session: Session) -> ReloadableJob:
    """Returns the job with the settings as they are now.

    Raises:
        UsageError: the job does not read this machine's files.
    """
    if not isinstance(session.job, ReloadableJob):
        raise UsageError(
            f"the job of profile {session.settings.profile} does not read this machine's files",
            hint="choose --profile embedded or local",
        )
    return session.job


def _go_on(job: ReloadableJob) -> None:
    """Lets the job go on with the code as it is now."""
    if job.problem() is not None:
        job.restart()
    # A driver that was asked for it once stays when the code fails, and waits for the next change.
    job.reload()


def _check(settings: Settings) -> None:
    """Imports what was saved, so that the job that runs is not stopped for what cannot; creates what it has new."""
    location = settings.location
    location.forget()
    for module in ("transform", *(each for each in _OPTIONAL if location.file(each).is_file())):
        location.module(module)
    create_topics(settings.kafka, *streams_of(location))
    create_collections(settings.mongo, indexes_of(location))


def _saved(folder: Path) -> dict[Path, int]:
    """Returns when each of a pipeline's modules and schemas, and its settings, were saved."""
    found = {}
    for path in (*folder.glob("*.py"), *folder.glob(SETTINGS), *folder.glob(f"{FOLDER}/*.avsc")):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # editors replace files
            continue
    return found


def _page(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.ui.dashboard_port}"
