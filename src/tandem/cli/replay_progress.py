"""Says what a running replay does, while a command waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tandem.errors import TandemError
from tandem.platforms.provision import database_of
from tandem.replay.sets import replayed
from tandem.settings.model import Settings

_POLL_S = 2.0


@contextmanager
def progress_of_replay(settings: Settings, suffix: str, say: Callable[[str], None]) -> Iterator[None]:
    """Says each change of a replay's progress until the ``with`` statement ends.

    Args:
        settings: the pipeline's settings.
        suffix: the suffix of the collections that it writes; empty for the pipeline's own ones.
        say: prints a line.
    """
    done = threading.Event()

    def progress() -> str:
        with suppress(TandemError), database_of(settings.mongo, "show the progress") as database:
            found = replayed(database, settings.pipeline, suffix)
            return found.progress if found else ""
        return ""

    # A killed replay has left its own.
    before = progress()

    def watch() -> None:
        said = before
        while not done.wait(_POLL_S):
            if (now := progress()) and now != said:
                said = now
                say(f"  {now}")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
