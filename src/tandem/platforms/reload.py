"""Lets a running job go on with the pipeline's code as it is now, without a new driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from tandem.errors import TandemError
from tandem.platforms.base import START_DEADLINE_S
from tandem.platforms.observe import has_committed
from tandem.platforms.progress import ProgressReader
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for


@runtime_checkable
class Reloading(Protocol):
    """A platform whose job reads the same files as whoever changes them."""

    def reload_job(self) -> None:
        """Lets the job go on with new code; returns when it has committed a batch with it, empty or not.

        Raises:
            TandemError: the job cannot start with it, and why; it waits for the next change.
            EnvironmentNotReadyError: no job runs.
        """


def reload(settings: Settings, ask: Callable[[], None]) -> None:
    """Asks the driver and returns when its new run has committed a batch; see ``Reloading.reload_job``.

    Args:
        settings: whose job.
        ask: sends ``engine.wishes.RELOAD`` to its driver.
    """
    reader = ProgressReader(settings.mongo, settings.pipeline)
    before = reader.newest()

    def probe() -> str | None:
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
        raise TandemError(error, hint="the job waits for the next change")
