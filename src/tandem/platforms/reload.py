"""Lets a running job go on with the pipeline's code as it is now, without a new driver."""

from __future__ import annotations

from collections.abc import Callable

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.base import START_DEADLINE_S
from tandem.platforms.observe import has_committed
from tandem.platforms.progress import ProgressReader
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for

WAITS = "the job waits for the next change; `tandem logs job` says more"


def reload(settings: Settings, ask: Callable[[], None], problem: Callable[[], str | None]) -> None:
    """Asks the driver and returns when its new run has committed a batch; see ``ReloadableJob.reload``.

    Args:
        settings: whose job.
        ask: sends ``engine.run.signals.RELOAD`` to its driver.
        problem: returns why the driver cannot go on at all.
    """
    reader = ProgressReader(settings.mongo, settings.pipeline)
    before = reader.newest()

    def probe() -> str | None:
        if why := problem():
            raise EnvironmentNotReadyError(why, hint=WAITS)
        newest = reader.newest()
        if newest is None or (before is not None and newest["run"] == before["run"]):
            raise NotYetError("the code of before still runs")
        if newest["event"] == "failed":
            return str(newest["error"])
        if not has_committed(settings, newest):
            raise NotYetError("its first batch is not committed")
        return None

    try:
        ask()
        what, hint = "the job's first committed batch with the new code", "`tandem logs job` says more"
        error = wait_for(what, probe, deadline_s=START_DEADLINE_S, hint=hint)
    finally:
        reader.close()
    if error:
        raise TandemError(error, hint=WAITS)


class Failures:
    """Tells what ends the job's runs, each once: also long after a change, when a record comes that the code fails at.

    Args:
        settings: whose job.
    """

    def __init__(self, settings: Settings) -> None:
        self._reader = ProgressReader(settings.mongo, settings.pipeline)
        self._told: str | None = None

    def news(self) -> str | None:
        """Returns why the newest run has failed, unless that was told already."""
        newest = self._reader.newest()
        if newest is None or newest["event"] != "failed" or newest["error"] == self._told:
            return None
        self._told = str(newest["error"])
        return self._told

    def told(self, error: str | None) -> None:
        """Takes for told what the user knows by other means; None for nothing, also when the same comes again."""
        self._told = error

    def close(self) -> None:
        """Ends the connection."""
        self._reader.close()
