"""Shows how far the job has caught up, while a command waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tandem.platforms.observe import lag_of
from tandem.platforms.progress import progress_of
from tandem.polling import polled
from tandem.progress_display import ProgressDisplay
from tandem.settings.model import Settings


@contextmanager
def progress_of_backlog(settings: Settings, display: ProgressDisplay) -> Iterator[None]:
    """Shows the records that the job has yet to commit.

    It ends with the last of them, or with the ``with`` statement.

    Args:
        settings: the pipeline's settings.
        display: gets a row for it.
    """
    most = 0

    def look() -> bool:
        nonlocal most
        # Without a report, all records are left.
        behind = lag_of(settings, reader.newest() or {"committed": {}})
        if behind is None:
            return False
        # Producers may still send.
        most = max(most, behind)
        if most:
            display.show("the job catches up", most - behind, most, unit="records")
        return behind == 0

    with progress_of(settings) as reader, polled(look):
        yield
