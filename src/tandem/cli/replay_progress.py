"""Shows what a running replay does, while a command waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tandem.errors import TandemError
from tandem.platforms.provision import database_of
from tandem.polling import polled
from tandem.progress_display import ProgressDisplay
from tandem.replay.sets import Step, replayed
from tandem.settings.model import Settings


@contextmanager
def progress_of_replay(settings: Settings, suffix: str, display: ProgressDisplay) -> Iterator[None]:
    """Shows a replay's steps until the ``with`` statement ends.

    Args:
        settings: the pipeline's settings.
        suffix: the suffix of the collections that it writes; empty for the pipeline's own ones.
        display: gets a row for each step, with Spark's tasks.
    """
    stale: Step | None = None
    shown: Step | None = None

    def newest() -> Step | None:
        with database_of(settings.mongo, "show the progress") as database:
            found = replayed(database, settings.pipeline, suffix)
        return found.progress if found else None

    def look() -> bool:
        nonlocal shown
        if (now := newest()) is None or now == stale:
            return False
        if shown and shown.name != now.name:
            # Its last tasks may have ended between two looks.
            display.show(shown.name, shown.total, shown.total, unit="tasks")
        shown = now
        display.show(now.name, now.done, now.total or None, unit="tasks")
        return False

    with suppress(TandemError):
        # A killed replay has left its own.
        stale = newest()
    with polled(look):
        yield
