"""Reloads a running job with the pipeline's current code, without a new driver."""

from __future__ import annotations

from collections.abc import Callable

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.base import START_DEADLINE_S
from tandem.platforms.observe import has_committed
from tandem.platforms.progress import ProgressReader
from tandem.progress_display import wait_shown
from tandem.settings.model import Settings
from tandem.waiting import NotYetError

SAVE_HINT = "save a change to reload the job; see `tandem logs job`"


def reload(settings: Settings, ask: Callable[[], None], problem: Callable[[], str | None]) -> None:
    """Asks the driver and returns when its new run has committed a batch.

    See ``ReloadableJob.reload``.

    Args:
        settings: the pipeline's settings.
        ask: sends ``engine.run.signals.RELOAD`` to its driver.
        problem: returns why the driver cannot run at all.
    """
    reader = ProgressReader(settings.mongo, settings.pipeline)
    before = reader.newest()

    def probe() -> str | None:
        if why := problem():
            raise EnvironmentNotReadyError(why, hint=SAVE_HINT)
        newest = reader.newest()
        if newest is None or (before is not None and newest["run"] == before["run"]):
            raise NotYetError("the previous version is still running")
        if newest["event"] == "failed":
            return str(newest["error"])
        if not has_committed(settings, newest):
            raise NotYetError("its first batch is not committed")
        return None

    try:
        ask()
        what, hint = "the job's first committed batch with the new code", "see `tandem logs job`"
        error = wait_shown(what, probe, deadline_s=START_DEADLINE_S, hint=hint)
    finally:
        reader.close()
    if error:
        raise TandemError(error, hint=SAVE_HINT)


class Failures:
    """Reports each failure of the job's runs once, also long after a change.

    Args:
        settings: the pipeline's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._reader = ProgressReader(settings.mongo, settings.pipeline)
        self._reported: str | None = None

    def unreported(self) -> str | None:
        """Returns why the newest run has failed, unless it was reported already."""
        newest = self._reader.newest()
        if newest is None or newest["event"] != "failed" or newest["error"] == self._reported:
            return None
        self._reported = str(newest["error"])
        return self._reported

    def record(self, error: str | None) -> None:
        """Marks an error as reported; None reports the next one even if it is the same."""
        self._reported = error

    def close(self) -> None:
        """Closes the connection."""
        self._reader.close()
